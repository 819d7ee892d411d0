/* The program is nn__cli_main(), in the library, so that tests can call it. */
#include "cli.h"

int main(int argc, char **argv) {
  return nn__cli_main(argc, argv);
}
