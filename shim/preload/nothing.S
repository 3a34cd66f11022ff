// SPDX-License-Identifier: Apache-2.0
//
// An empty library of the other word size. CMakeLists.txt in this directory says what it is for.
.section .note.GNU-stack, "", %progbits
