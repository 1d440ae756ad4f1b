#include <cstdio>
int main() { std::puts("palimpsest"); }
