// SPDX-License-Identifier: Apache-2.0
//
// A Rust host: its own stacks, its own panics, libpq linked.

use std::os::raw::{c_char, c_int, c_void};

#[link(name = "pq")]
extern "C" {
    fn PQconnectdb(info: *const c_char) -> *mut c_void;
    fn PQstatus(conn: *const c_void) -> c_int;
    fn PQfinish(conn: *mut c_void);
}

fn work() -> c_int {
    unsafe {
        let conn = PQconnectdb(b"\0".as_ptr() as *const c_char);
        let status = PQstatus(conn);
        PQfinish(conn);
        status
    }
}

fn main() {
    println!("{}", work());
    std::panic::set_hook(Box::new(|_| println!("panics")));
    let caught = std::panic::catch_unwind(|| panic!("on purpose"));
    println!("{}", caught.is_err());
    println!("{}", std::thread::spawn(work).join().unwrap());
}
