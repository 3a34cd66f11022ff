// SPDX-License-Identifier: Apache-2.0
//
// A library of the other word size that holds nothing: CMakeLists.txt beside it says what for.
.section .note.GNU-stack, "", %progbits
