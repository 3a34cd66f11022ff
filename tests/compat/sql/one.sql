-- SPDX-License-Identifier: Apache-2.0
SELECT pg_sleep(0.001);
