<?php
// SPDX-License-Identifier: Apache-2.0
//
// Connects in the way that its argument names; no connection ever comes about.

namespace Shop;

function connect(): void
{
    @pg_connect('host=/nonexistent port=1'); // connect
}

trait Audited
{
    public function audited(): void
    {
        connect(); // audited
    }
}

class Orders
{
    use Audited;

    public function place(): void
    {
        array_map(function ($_) {
            $this->audited(); // closure
        }, [1]); // array_map
    }

    public static function open(): self
    {
        $orders = new self();
        $orders->place(); // open
        return $orders;
    }

    public function __get($name)
    {
        connect(); // get
    }

    public function __destruct()
    {
        if ($GLOBALS['destructors'] ?? false) {
            connect(); // destruct
        }
    }
}

function nested(): void
{
    Orders::open(); // nested
}

function recurse(int $depth): void
{
    if ($depth === 0) {
        connect(); // recursion ends
        return;
    }
    recurse($depth - 1); // recurse
}

function numbers()
{
    connect(); // generator
    yield 1;
}

function delegating()
{
    yield from numbers(); // delegating
}

function failing(): void
{
    $orders = new Orders();
    throw new \RuntimeException('thrown'); // throw
}

switch ($argv[1]) {
    case 'nested':
        nested(); // main
        break;
    case 'pdo':
        try {
            new \PDO('pgsql:host=/nonexistent;port=1'); // pdo
        } catch (\PDOException) {
            echo "refused\n";
        }
        break;
    case 'eval':
        eval("\n\\Shop\\connect();"); // eval
        break;
    case 'include':
        include __DIR__ . '/included.php'; // include
        break;
    case 'magic':
        (new Orders())->anything; // magic
        (new class {
            public function run()
            {
                connect(); // anonymous
            }
        })->run(); // anonymous main
        break;
    case 'generator':
        foreach (numbers() as $_) { // generator main
        }
        foreach (delegating() as $_) {
        }
        break;
    case 'fiber':
        $fiber = new \Fiber(function (): void {
            connect(); // fiber
        });
        $fiber->start(); // fiber main
        break;
    case 'exception':
        $destructors = true;
        try {
            failing(); // exception main
        } catch (\RuntimeException $e) {
            echo $e->getMessage(), ' ', $e->getLine(), "\n";
        }
        break;
    case 'shutdown':
        register_shutdown_function(function (): void {
            connect(); // shutdown
        });
        $destructors = true;
        $kept = new Orders();
        exit(3);
    case 'error_handler':
        set_error_handler(function (): bool {
            connect(); // handler
            return true;
        });
        echo $undefined; // handler main
        break;
    case 'memory':
        ini_set('memory_limit', (string) memory_get_usage(true));
        // Takes what is left, but for the quarter of a MiB that lies about in pieces.
        $blocks = null;
        while (memory_get_usage() + 262144 < memory_get_usage(true)) {
            $blocks = [$blocks, str_repeat('x', 2000)];
        }
        nested();
        echo "still here\n";
        break;
    case 'fork':
        $pid = pcntl_fork();
        if ($pid === 0) {
            nested();
            exit(0);
        }
        pcntl_waitpid($pid, $status);
        echo pcntl_wexitstatus($status), "\n";
        break;
    case 'recursion':
        recurse(300);
        break;
    case 'twenty':
        recurse(20 - 3);
        break;
    case 'many':
        for ($i = 0; $i < 2000; ++$i) {
            connect();
        }
        break;
}
