-- SPDX-License-Identifier: Apache-2.0
-- Queries, formats, variables, errors and notices.
\set VERBOSITY verbose
\set SHOW_CONTEXT always
SELECT 1 AS one, 'two' AS two, NULL AS three, 4.50::numeric(5, 2) AS four, now() > '2000-01-01' AS five;
SELECT 1 \; SELECT 2 \; SELECT 3;
\gdesc
SELECT 1 AS number, 'x'::text AS text, ARRAY[1, 2] AS list, '{"a": 1}'::jsonb AS document \gdesc
SELECT generate_series(1, 3) AS i, 'v' AS v \gx
SELECT 42 AS answer, 'it' AS what \gset got_
\echo :got_answer :'got_what'
SELECT format('SELECT %s AS made', i) FROM generate_series(1, 3) AS i \gexec
SELECT 1 / 0;
\echo :ERROR :SQLSTATE :LAST_ERROR_MESSAGE
SELECT * FROM nowhere;
SELECT 1 +;
\errverbose
SELECT 'ünïcödé 💐' AS text, length('ünïcödé 💐');
\pset format csv
SELECT i, repeat('x', i) FROM generate_series(1, 5) AS i;
\pset format html
SELECT '<b>' AS markup;
\pset format unaligned
\pset null '(null)'
SELECT NULL;
\pset format aligned
SELECT product, quarter, amount FROM (VALUES ('bread', 'Q1', 10), ('bread', 'Q2', 20), ('milk', 'Q1', 5), ('milk', 'Q3', 7)) AS t (product, quarter, amount) ORDER BY 1, 2
\crosstabview product quarter amount
SELECT 1, 2, 3, 4 \crosstabview
DO $$ BEGIN
  RAISE NOTICE 'a notice, %', 1;
  RAISE WARNING 'a warning' USING DETAIL = 'the detail', HINT = 'the hint';
  RAISE INFO 'an information';
  RAISE EXCEPTION 'an exception' USING ERRCODE = 'P0077', TABLE = 'a_table', COLUMN = 'a_column', CONSTRAINT = 'a_constraint';
END $$;
CREATE FUNCTION deep(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN
  IF n = 0 THEN RETURN 1 / n; END IF;
  RETURN deep(n - 1);
END $$;
SELECT deep(3);
SET statement_timeout = '50ms';
SELECT pg_sleep(10);
RESET statement_timeout;
SET client_min_messages = debug1;
CREATE TABLE noisy (id serial PRIMARY KEY, text text UNIQUE);
RESET client_min_messages;
CREATE TABLE IF NOT EXISTS noisy (id int);
INSERT INTO noisy (text) VALUES ('a'), ('b') RETURNING *;
INSERT INTO noisy (text) VALUES ('a');
UPDATE noisy SET text = text || '!' ;
DELETE FROM noisy WHERE id = 1;
\echo :ROW_COUNT
DROP TABLE noisy CASCADE;
PREPARE adding (int, int) AS SELECT $1 + $2 AS sum;
EXECUTE adding (1, 2);
EXECUTE adding (1);
DEALLOCATE adding;
\if :ERROR
\echo an error
\else
\echo no error
\endif
SET client_encoding = 'LATIN1';
SELECT 'abc';
SELECT convert_from('\xe28093', 'UTF8');
RESET client_encoding;
\encoding
SELECT * FROM deep(2) AS t(x), generate_series(1, 2);
VALUES (1, 'a'), (2, 'b');
SHOW server_version_num \gset
EXPLAIN (COSTS off) SELECT * FROM pg_class WHERE oid = 1;
TABLE nothing;
SELECT repeat('long', 3000);
\timing off
\d deep
\df deep
\l work
SELECT 1 \g /dev/null
SELECT 'to a program' \g | cat
\qecho to the output
\warn to stderr
