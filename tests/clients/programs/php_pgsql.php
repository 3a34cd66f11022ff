<?php
// SPDX-License-Identifier: Apache-2.0

function open_report()
{
    return pg_connect('application_name=report_service', PGSQL_CONNECT_FORCE_NEW); // LEAK
}

function load_user()
{
    $connection = pg_connect('application_name=report_service', PGSQL_CONNECT_FORCE_NEW);
    echo 'user ', pg_fetch_result(pg_query($connection, 'SELECT current_user'), 0), "\n";
    pg_close($connection);
}

$reports = [];
while (count($reports) < 2) {
    $reports[] = open_report();
}
load_user();
echo "ready\n";
fgets(STDIN);
echo "done\n";
