// A shared object that is no driver.
extern "C" __attribute__((visibility("default"))) int not_a_driver() {
  return 0;
}
