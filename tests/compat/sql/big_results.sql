-- SPDX-License-Identifier: Apache-2.0
-- Large results at once and in pieces, and results that fail half way.
\pset format unaligned
\pset tuples_only on
SELECT count(*), sum(length(x)) FROM (SELECT repeat('x', i) AS x FROM generate_series(1, 5000) AS i) AS t;
SELECT i, md5(i::text) FROM generate_series(1, 20000) AS i;
\set FETCH_COUNT 777
SELECT i, md5(i::text) FROM generate_series(1, 20000) AS i;
SELECT 1 / (5000 - i) FROM generate_series(1, 6000) AS i;
SELECT 1 \; SELECT generate_series(1, 3);
\set FETCH_COUNT 1
SELECT generate_series(1, 50);
\unset FETCH_COUNT
SELECT 1 / (5000 - i) FROM generate_series(1, 6000) AS i;
\pset format wrapped
\pset columns 60
SELECT repeat('wrap ', 50);
\x
SELECT i AS number, repeat('y', i) AS text FROM generate_series(1, 300) AS i;
