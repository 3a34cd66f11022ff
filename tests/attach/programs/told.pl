# SPDX-License-Identifier: Apache-2.0
# As told.cc.
use strict;
use warnings;
use DBI;

$| = 1;
my @connections;

sub open_one {
    return DBI->connect("dbi:Pg:", "", "", {RaiseError => 1});
}

print "ready\n";
while (my $line = <STDIN>) {
    my ($word, $count) = split ' ', $line;
    if ($word eq "open") {
        push @connections, open_one() for 1 .. $count;
    } elsif ($word eq "exec") {
        $connections[-1]->selectrow_array("select 1");
    } elsif ($word eq "close") {
        pop(@connections)->disconnect;
    }
    print "ok $word\n";
}
$_->disconnect for @connections;
print "end\n";
exit 7;
