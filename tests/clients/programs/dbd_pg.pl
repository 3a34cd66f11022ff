# SPDX-License-Identifier: Apache-2.0
use strict;
use warnings;
use DBI;

my @reports;

sub open_report {
    my $connection = DBI->connect('dbi:Pg:application_name=report_service', '', '', {RaiseError => 1}); # LEAK
    push @reports, $connection;
}

sub load_user {
    my $connection = DBI->connect('dbi:Pg:application_name=report_service', '', '', {RaiseError => 1});
    print 'user ', $connection->selectrow_array('SELECT current_user'), "\n";
    $connection->disconnect;
}

open_report() for 1 .. 2;
load_user();
$| = 1;
print "ready\n";
readline(STDIN);
$_->disconnect for @reports;
print "done\n";
