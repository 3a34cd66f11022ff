<?php
// SPDX-License-Identifier: Apache-2.0

\Shop\connect(); // included
