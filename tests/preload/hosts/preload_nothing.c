// SPDX-License-Identifier: Apache-2.0
//
// A preloaded library that does nothing: what a host sees of any preload at all is no fault of
// ours.

const char preload_nothing[] = "nothing";
