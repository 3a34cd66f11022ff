<?php
// SPDX-License-Identifier: Apache-2.0

echo "ready\n";
fgets(STDIN);
$begin = hrtime(true);
try {
    $connection = new PDO('pgsql:application_name=at_limit');
    $answer = 'value ' . $connection->query('SELECT 42')->fetchColumn();
} catch (PDOException $error) {
    $answer = 'error ' . $error->getMessage();
}
printf("after %.3f\n%s\ndone\n", (hrtime(true) - $begin) / 1e9, str_replace("\n", ' ', $answer));
