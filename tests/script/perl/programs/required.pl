# SPDX-License-Identifier: Apache-2.0
main::connect_once(); # required
1;
