// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

bool all_plan();  // planning.cpp

int main() { return all_plan() ? 0 : 1; }
