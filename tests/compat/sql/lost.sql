-- SPDX-License-Identifier: Apache-2.0
-- A session that the server ends, which ends psql.
SELECT 1;
BEGIN;
SELECT pg_terminate_backend(pg_backend_pid());
SELECT 'not reached';
