// penumbrad: the daemon.
#include "app/program.hpp"

int main(int argc, char** argv) {
  return penumbra::DaemonMain(argc, argv, {});
}
