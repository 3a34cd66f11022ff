-- SPDX-License-Identifier: Apache-2.0
-- COPY of the server's and of psql's, in and out. :directory is a directory of the run's own.
CREATE TABLE t (id int, text text, at timestamptz DEFAULT '2026-01-01');
COPY t (id, text) FROM STDIN;
1	one
2	\N
3	with\ttab and \\ backslash
\.
COPY t TO STDOUT;
COPY t (id, text) FROM STDIN WITH (FORMAT csv, HEADER);
id,text
4,"a ""quoted"" one"
5,
\.
COPY t TO STDOUT WITH (FORMAT csv, HEADER, FORCE_QUOTE *);
COPY t (id, text) FROM STDIN;
six	wrong
\.
COPY t (id) FROM STDIN;
7	too	many
\.
SELECT count(*) FROM t;
INSERT INTO t SELECT i, md5(i::text) FROM generate_series(100, 30000) AS i;
\set file :directory '/t.txt'
\set binary :directory '/t.bin'
\cd :directory
\copy t to 't.txt'
\copy (SELECT * FROM t ORDER BY id) to 't.bin' with (format binary)
\copy t to program 'wc -l | tr -d " "'
CREATE TABLE u (LIKE t);
\copy u from 't.txt'
\copy u from 't.bin' with (format binary)
\copy u from program 'printf "77\\tseventy-seven\\t2026-02-02\\n"'
\copy u from 'no such file'
\copy nowhere from 't.txt'
SELECT count(*), sum(id), md5(string_agg(text, ',' ORDER BY id, text)) FROM u;
BEGIN;
COPY u FROM STDIN (FREEZE);
1	a	2026-01-01
\.
ROLLBACK;
COPY (SELECT 1 / (5 - i) FROM generate_series(1, 10) AS i) TO STDOUT;
COPY (INSERT INTO u VALUES (1) RETURNING id) TO STDOUT;
