<?php
// SPDX-License-Identifier: Apache-2.0

class ReportService
{
    private array $reports = [];

    public function openReport(): void
    {
        $this->reports[] = new PDO('pgsql:application_name=report_service'); // LEAK
    }

    public function loadUser(): void
    {
        $connection = new PDO('pgsql:application_name=report_service');
        echo 'user ', $connection->query('SELECT current_user')->fetchColumn(), "\n";
    }
}

$service = new ReportService();
for ($i = 0; $i < 2; ++$i) {
    $service->openReport();
}
$service->loadUser();
echo "ready\n";
fgets(STDIN);
echo "done\n";
