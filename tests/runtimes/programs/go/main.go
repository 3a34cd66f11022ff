// SPDX-License-Identifier: Apache-2.0

// A service in Go that uses libpq by cgo, from goroutines: cgo calls C on the thread's own stack.
package main

/*
#include <libpq-fe.h>
#include <stdlib.h>

extern void goOpenFromC(void);

// C that opens a connection itself, below Go.
static PGconn* OpenInC(const char* target) {
  PGconn* connection = PQconnectdb(target);
  return connection;
}
static void CallGo(void) { goOpenFromC(); }
*/
import "C"

import (
	"fmt"
	"os"
	"sync"
)

var kept []*C.PGconn
var lock sync.Mutex

//go:noinline
func connect() *C.PGconn {
	return C.PQconnectdb(C.CString("host=/nonexistent"))
}

//go:noinline
func keep(connection *C.PGconn) {
	lock.Lock()
	defer lock.Unlock()
	kept = append(kept, connection)
}

//go:noinline
func openOrder(depth int) {
	if depth > 0 {
		openOrder(depth - 1)
		return
	}
	keep(connect())
}

//go:noinline
func openAudit() { keep(connect()) }

//go:noinline
func openInC() { keep(C.OpenInC(C.CString("host=/nonexistent"))) }

//export goOpenFromC
func goOpenFromC() { keep(connect()) }

//go:noinline
func openInCallback() { C.CallGo() }

//go:noinline
func closeOne() { C.PQfinish(connect()) }

func main() {
	var group sync.WaitGroup
	for _, open := range []func(){
		// Deep enough that the goroutine's stack has grown, and was moved.
		func() { openOrder(2000) }, func() { openOrder(0) }, openAudit, openInC, openInCallback, closeOne,
	} {
		group.Add(1)
		go func(open func()) {
			defer group.Done()
			open()
		}(open)
	}
	group.Wait()
	openAudit()
	fmt.Println("opened", len(kept))
	if len(os.Args) > 1 {
		fmt.Scanln()
	}
}
