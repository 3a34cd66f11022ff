<?php
// SPDX-License-Identifier: Apache-2.0
// As told.cc.
$connections = [];

function open_one()
{
    $where = sprintf("host=%s port=%s dbname=%s user=%s", getenv("PGHOST"), getenv("PGPORT"), getenv("PGDATABASE"),
        getenv("PGUSER"));
    return pg_connect($where, PGSQL_CONNECT_FORCE_NEW);
}

echo "ready\n";
while (($line = fgets(STDIN)) !== false) {
    $words = explode(" ", trim($line));
    if ($words[0] === "open") {
        for ($i = 0; $i < (int)$words[1]; ++$i) {
            $connections[] = open_one();
        }
    } elseif ($words[0] === "exec") {
        pg_query(end($connections), "select 1");
    } elseif ($words[0] === "close") {
        pg_close(array_pop($connections));
    }
    echo "ok {$words[0]}\n";
}
echo "end\n";
exit(7);
