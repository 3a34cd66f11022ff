<?php
// SPDX-License-Identifier: Apache-2.0
//
// A page whose persistent connections stay in the worker: one for each tenant that it has ever seen.

function open_report(string $tenant)
{
    return pg_pconnect("application_name=report_service options='-c search_path=$tenant'"); // LEAK
}

function load_user()
{
    $connection = pg_connect('application_name=report_service');
    echo 'user ', pg_fetch_result(pg_query($connection, 'SELECT current_user'), 0), "\n";
    pg_close($connection);
}

header('Content-Type: text/plain');
foreach (['north', 'south'] as $tenant) {
    open_report($tenant);
}
load_user();
