# SPDX-License-Identifier: Apache-2.0
#
# Connects in the way that its argument names; no connection ever comes about. `probe` captures with no
# driver around it.
use strict;
use warnings;
use DBI;
use DBD::Pg;
use DynaLoader;

my $library = DynaLoader::dl_load_file($ENV{PROBE_LIBRARY}, 0) or die DynaLoader::dl_error();
DynaLoader::dl_install_xsub('main::probe',
    DynaLoader::dl_find_symbol($library, 'probe_capture'));

my $quiet = {PrintError => 0, PrintWarn => 0, RaiseError => 0};

sub connect_once {
    DBI->connect('dbi:Pg:host=/nonexistent;port=1', '', '', $quiet); # connect
    return;
}

package Shop::Orders {
    sub new { return bless {}, shift }

    sub place {
        my $self = shift;
        for my $order (1) {
            main::connect_once(); # place
        }
        return;
    }

    sub DESTROY {
        main::probe() if $main::destructors; # destroy
        return;
    }
}

package Shop::Tied {
    sub TIESCALAR { return bless {}, shift }

    sub FETCH {
        main::connect_once(); # fetch
        return 5;
    }
}

sub nested {
    my $run = sub {
        Shop::Orders->new->place; # anonymous
    };
    $run->(); # nested
    return;
}

sub recurse {
    my $depth = shift;
    if ($depth == 0) {
        connect_once(); # recursion ends
        return;
    }
    recurse($depth - 1); # recurse
    return;
}

our $destructors = 0;
our $kept;
my $how = shift;

if ($how eq 'nested') {
    nested(); # main
} elsif ($how eq 'evals') {
    eval {
        connect_once(); # eval block
        1;
    } or print "died\n";
    eval "\nconnect_once();\n1" or print "died\n"; # eval string
} elsif ($how eq 'require') {
    require $ARGV[0]; # require
} elsif ($how eq 'pending') {
    local $SIG{__DIE__} = sub { print "__DIE__\n" };
    local $SIG{__WARN__} = sub { print "__WARN__\n" };
    local $_ = 'topic';
    eval { local $SIG{__DIE__}; die "pending\n" };
    my $before = $@;
    'match' =~ /(at)/;
    connect_once();
    print "$before$_ $1\n";
} elsif ($how eq 'undisturbed') {
    $SIG{__DIE__} = sub { print "__DIE__\n" };
    $SIG{__WARN__} = sub { print "__WARN__\n" };
    $_ = 'topic';
    'match' =~ /(at)/;
    eval { local $SIG{__DIE__}; die "pending\n" };
    $! = 5;
    sub { probe() }->(); # probe
    print $! + 0, " $_ $1 $@";
} elsif ($how eq 'sort') {
    my @sorted = sort { connect_once(); $a <=> $b } 2, 1; # sort
} elsif ($how eq 'tie') {
    tie my $tied, 'Shop::Tied';
    my $value = $tied + 1; # tied
    print "$value\n";
} elsif ($how eq 'signal') {
    $SIG{USR1} = sub {
        connect_once(); # handler
    };
    kill 'USR1', $$;
    1;
} elsif ($how eq 'begin') {
    eval q{
        sub early { connect_once() }
        BEGIN { early() }
        1
    } or print $@;
} elsif ($how eq 'destroy') {
    $destructors = 1;
    { my $orders = Shop::Orders->new; } # scope ends
    $destructors = 0;
} elsif ($how eq 'end') {
    eval 'END { probe() } 1' or print $@;
    exit 3;
} elsif ($how eq 'destruction') {
    # Global destruction: a cycle that is only found then.
    $destructors = 1;
    $kept = Shop::Orders->new;
    $kept->{self} = $kept;
    my $closed = Shop::Orders->new;
    my $code;
    $code = sub { return ($code, $closed) };
} elsif ($how eq 'threads') {
    require threads;
    $_->join for map { threads->create(\&nested) } 1 .. 3;
} elsif ($how eq 'fork') {
    my $pid = fork // die;
    if (!$pid) {
        nested();
        exit 0;
    }
    waitpid $pid, 0;
    print "$?\n";
} elsif ($how eq 'goto') {
    sub hop { goto &connect_once }
    hop(); # goto
} elsif ($how eq 'named') {
    no strict 'refs';
    *{'Shop::imported'} = \&connect_once;
    Shop::imported(); # imported
    undef *connect_once;
    my $lost = do { my $x; sub { nested(); $x } };
    delete $main::{connect_once};
    Shop::imported(); # deleted
} elsif ($how eq 'line') {
    elsewhere(); # line
} elsif ($how eq 'recursion') {
    no warnings 'recursion';
    recurse(300);
} elsif ($how eq 'twenty') {
    recurse(20 - 6); # the driver adds three
} elsif ($how eq 'many') {
    connect_once() for 1 .. 2000;
}

sub elsewhere {
# line 7000 "elsewhere.pl"
    connect_once();
    return;
}
