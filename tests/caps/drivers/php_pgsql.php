<?php
// SPDX-License-Identifier: Apache-2.0
//
// With 'async' by PGSQL_CONNECT_ASYNC.

function finish_connect($connection)
{
    $poll = PGSQL_POLLING_WRITING;
    while ($poll !== PGSQL_POLLING_OK && $poll !== PGSQL_POLLING_FAILED) {
        $read = $poll === PGSQL_POLLING_READING ? [pg_socket($connection)] : [];
        $write = $poll === PGSQL_POLLING_READING ? [] : [pg_socket($connection)];
        $except = [];
        stream_select($read, $write, $except, 60);
        $poll = pg_connect_poll($connection);
    }
    return $poll === PGSQL_POLLING_OK;
}

echo "ready\n";
fgets(STDIN);
$begin = hrtime(true);
$flags = PGSQL_CONNECT_FORCE_NEW | ($argv[1] === 'async' ? PGSQL_CONNECT_ASYNC : 0);
$connection = @pg_connect('application_name=at_limit', $flags);
$answer = 'error';
if ($connection === false) {
    $answer = 'error ' . error_get_last()['message'];
} elseif ($argv[1] === 'async' && !finish_connect($connection)) {
    $answer = 'error ' . pg_last_error($connection);
} else {
    $answer = 'value ' . pg_fetch_result(pg_query($connection, 'SELECT 42'), 0);
}
printf("after %.3f\n%s\ndone\n", (hrtime(true) - $begin) / 1e9, str_replace("\n", ' ', $answer));
