-- SPDX-License-Identifier: Apache-2.0
-- Several connections of one psql: \connect, notifications, large objects.
SELECT current_database(), current_user;
\connect - - - -
SELECT 1;
\connect -reuse-previous=on dbname=postgres application_name=renamed
SELECT current_database(), current_setting('application_name');
\connect work
CREATE ROLE visitor LOGIN;
\connect - visitor
SELECT current_user;
CREATE TABLE forbidden (id int);
\connect - postgres
DROP ROLE visitor;
LISTEN one;
LISTEN two;
NOTIFY one, 'payload';
NOTIFY two;
BEGIN;
NOTIFY one, 'later';
COMMIT;
UNLISTEN *;
NOTIFY one;
\set file :directory '/object'
SELECT repeat('large object ', 20000) AS text \g (format=unaligned tuples_only=on) :file
\lo_import :file 'a comment'
SELECT count(*), sum(length(data)) FROM pg_largeobject;
SELECT obj_description(loid, 'pg_largeobject') FROM (SELECT DISTINCT loid FROM pg_largeobject) AS t;
\set copy :directory '/exported'
\lo_export :LASTOID :copy
\lo_unlink :LASTOID
\lo_unlink 1
SELECT count(*) FROM pg_largeobject;
SET idle_session_timeout = 0;
\conninfo
\password no_such_role
\connect no_such_database
SELECT 'a script ends at a failed connect';
