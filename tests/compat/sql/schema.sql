-- SPDX-License-Identifier: Apache-2.0
-- A schema with some of everything that pg_dump knows.
CREATE SCHEMA shop;
CREATE TYPE shop.state AS ENUM ('new', 'paid', 'sent');
CREATE DOMAIN shop.amount AS numeric(12, 2) CHECK (VALUE >= 0);
CREATE SEQUENCE shop.numbers START 1000 INCREMENT 7;
CREATE TABLE shop.customers (id bigserial PRIMARY KEY, name text NOT NULL, mail text UNIQUE, born date, data jsonb);
CREATE TABLE shop.orders (
  id bigint DEFAULT nextval('shop.numbers') PRIMARY KEY,
  customer bigint NOT NULL REFERENCES shop.customers (id) ON DELETE CASCADE,
  state shop.state NOT NULL DEFAULT 'new',
  total shop.amount,
  at timestamptz NOT NULL,
  twice numeric GENERATED ALWAYS AS (total * 2) STORED
);
CREATE TABLE shop.items (
  "order" bigint REFERENCES shop.orders (id), position int, article text, picture bytea, tags text[],
  PRIMARY KEY ("order", position)
);
CREATE TABLE shop.log (at timestamptz NOT NULL, text text) PARTITION BY RANGE (at);
CREATE TABLE shop.log_2025 PARTITION OF shop.log FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE shop.log_2026 PARTITION OF shop.log FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE "strange ""name" ("a column" int, "SELECT" text);
CREATE UNLOGGED TABLE shop.cache (key text, value text);
CREATE INDEX orders_state ON shop.orders (state) WHERE state <> 'sent';
CREATE INDEX customers_lower ON shop.customers (lower(name) DESC NULLS LAST) INCLUDE (born);
CREATE INDEX items_tags ON shop.items USING gin (tags);
CREATE INDEX log_at ON shop.log USING brin (at);
CREATE VIEW shop.open_orders AS SELECT o.*, c.name FROM shop.orders AS o JOIN shop.customers AS c ON c.id = o.customer WHERE state <> 'sent';
CREATE MATERIALIZED VIEW shop.turnover AS SELECT date_trunc('month', at) AS month, sum(total) AS total FROM shop.orders GROUP BY 1;
CREATE FUNCTION shop.total_of(bigint) RETURNS numeric LANGUAGE sql STABLE AS 'SELECT sum(total) FROM shop.orders WHERE customer = $1';
CREATE FUNCTION shop.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO shop.log VALUES ('2026-03-01', TG_OP || ' ' || NEW.id);
  RETURN NEW;
END $$;
CREATE PROCEDURE shop.clean() LANGUAGE plpgsql AS $$ BEGIN DELETE FROM shop.cache; END $$;
CREATE AGGREGATE shop.product (numeric) (SFUNC = numeric_mul, STYPE = numeric, INITCOND = '1');
CREATE OPERATOR shop.=~= (LEFTARG = text, RIGHTARG = text, FUNCTION = texteq);
CREATE RULE no_delete AS ON DELETE TO shop.log_2025 DO INSTEAD NOTHING;
ALTER TABLE shop.customers ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON shop.customers USING (name = current_user);
COMMENT ON TABLE shop.orders IS 'what people want; "quoted", ''too''';
CREATE STATISTICS shop.states ON state, customer FROM shop.orders;
CREATE PUBLICATION everything FOR ALL TABLES;
INSERT INTO shop.customers (name, mail, born, data)
  SELECT 'customer ' || i, i || '@example.com', '1970-01-01'::date + i, jsonb_build_object('number', i, 'text', E'line\nline')
  FROM generate_series(1, 10000) AS i;
INSERT INTO shop.orders (customer, state, total, at)
  SELECT 1 + i % 10000, (ARRAY['new', 'paid', 'sent'])[1 + i % 3]::shop.state, i * 1.25, '2026-01-01'::timestamptz + i * interval '1 minute'
  FROM generate_series(1, 30000) AS i;
INSERT INTO shop.items
  SELECT id, p, 'article ' || p, decode(md5(id::text || p), 'hex'), ARRAY['tag' || id % 7, NULL, 'a,b']
  FROM shop.orders, generate_series(1, 2) AS p;
INSERT INTO shop.log SELECT '2025-06-01'::timestamptz + i * interval '1 hour', repeat('log ', i % 50) FROM generate_series(1, 10000) AS i;
INSERT INTO "strange ""name" VALUES (1, E'a\ttab'), (NULL, '\N');
CREATE TRIGGER noted AFTER UPDATE ON shop.orders FOR EACH ROW EXECUTE FUNCTION shop.note();
REFRESH MATERIALIZED VIEW shop.turnover;
SELECT lo_from_bytea(70000 + i, decode(repeat(md5(i::text), 2000), 'hex')) FROM generate_series(1, 20) AS i;
COMMENT ON LARGE OBJECT 70001 IS 'a large object';
GRANT SELECT ON shop.open_orders TO PUBLIC;
