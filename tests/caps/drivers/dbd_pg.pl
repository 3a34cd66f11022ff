# SPDX-License-Identifier: Apache-2.0
use strict;
use warnings;
use DBI;
use Time::HiRes 'time';

$| = 1;
print "ready\n";
readline(STDIN);
my $begin = time;
my $connection = DBI->connect('dbi:Pg:application_name=at_limit', '', '', {PrintError => 0});
my $answer =
    $connection ? 'value ' . $connection->selectrow_array('SELECT 42') : "error $DBI::state $DBI::errstr";
$answer =~ s/\n/ /g;
printf "after %.3f\n%s\ndone\n", time - $begin, $answer;
$connection->disconnect if $connection;
