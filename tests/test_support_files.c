/* support.files: files replaced whole, read whole, folders, the log, faults. */
#include "unit_test.h"

#include "nnmpi/support.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static int make_folder(void **state) {
  (void)state;
  strcpy(folder, "/tmp/nnmpi-files-XXXXXX");
  return mkdtemp(folder) == NULL ? -1 : 0;
}

static int remove_folder(void **state) {
  char command[100];
  (void)state;
  snprintf(command, sizeof command, "rm -rf '%s'", folder);
  return system(command);
}

static const char *in_folder(const char *name) {
  static char path[128];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

static int entries(const char *path) {
  int count = 0;
  DIR *directory = opendir(path);
  assert_non_null(directory);
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) count += entry->d_name[0] != '.';
  closedir(directory);
  return count;
}

static void a_file_is_replaced_whole(void **state) {
  const nn_bytes first[] = {{"hello ", 6}, {"world", 5}}, second[] = {{"bye", 3}};
  char *text = NULL;
  size_t count = 0;
  (void)state;
  assert_int_equal(nn_file_replace(in_folder("a"), first, 2), NN_OK);
  assert_int_equal(nn_file_read(in_folder("a"), 100, &text, &count), NN_OK);
  assert_string_equal(text, "hello world");
  assert_int_equal(count, 11);
  nn_free(text);
  assert_int_equal(nn_file_replace(in_folder("a"), second, 1), NN_OK);
  assert_int_equal(nn_file_read(in_folder("a"), 3, &text, &count), NN_OK);
  assert_string_equal(text, "bye");
  nn_free(text);
  assert_int_equal(entries(folder), 1); /* no temporary is left */
}

static void large_parts_are_written_whole_from_any_address(void **state) {
  enum { LARGE = (9 << 20) + 5, ROOM = LARGE + 3 * NN_FILE_BLOCK };
  (void)state;
  void *memory = NULL;
  char *back = NULL;
  size_t count = 0;
  assert_int_equal(nn_alloc(ROOM, 1, "bytes", &memory), NN_OK); /* begins with a block */
  unsigned char *bytes = memory;
  for (size_t i = 0; i < ROOM; i++) bytes[i] = (unsigned char)(i * 7 + i / 251);
  const struct {
    size_t first, from; /* bytes in front of the large part, and where that is in memory */
  } cases[] = {{0, 0}, {0, 8}, {3, 0}, {NN_FILE_BLOCK, 2 * NN_FILE_BLOCK}, {NN_FILE_BLOCK, 1}};
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
    const nn_bytes parts[] = {{bytes, cases[c].first}, {bytes + cases[c].from, LARGE}, {"end", 3}};
    assert_int_equal(nn_file_replace(in_folder("large"), parts, 3), NN_OK);
    assert_int_equal(nn_file_read(in_folder("large"), ROOM, &back, &count), NN_OK);
    assert_int_equal(count, cases[c].first + LARGE + 3);
    assert_memory_equal(back, bytes, cases[c].first);
    assert_memory_equal(back + cases[c].first, bytes + cases[c].from, LARGE);
    assert_memory_equal(back + count - 3, "end", 3);
    nn_free(back);
  }
  nn_free(memory);
  assert_int_equal(unlink(in_folder("large")), 0);
}

static void a_failed_replacement_leaves_the_old_file_and_no_temporary(void **state) {
  const nn_bytes part = {"x", 1};
  (void)state;
  assert_int_equal(nn_directory_create(in_folder("taken")), NN_OK);
  assert_int_equal(nn_file_replace(in_folder("taken"), &part, 1), NN_ERR_IO); /* a folder is in the way */
  assert_non_null(strstr(nn_error_last()->message, "taken"));
  assert_int_equal(nn_file_replace(in_folder("nowhere/b"), &part, 1), NN_ERR_IO);
  assert_int_equal(entries(folder), 2); /* "a" of the test before, and "taken" */
}

static void a_link_stays_and_what_it_points_at_is_replaced(void **state) {
  const nn_bytes part = {"new", 3};
  struct stat about;
  (void)state;
  assert_int_equal(nn_directory_create(in_folder("linked")), NN_OK);
  assert_int_equal(nn_file_replace(in_folder("linked/file"), &part, 1), NN_OK);
  assert_int_equal(symlink("linked/file", in_folder("link")), 0);
  assert_int_equal(nn_file_replace(in_folder("link"), &part, 1), NN_OK);
  assert_int_equal(lstat(in_folder("link"), &about), 0);
  assert_true(S_ISLNK(about.st_mode));
  assert_int_equal(entries(in_folder("linked")), 1);
  assert_int_equal(unlink(in_folder("linked/file")), 0);
  assert_int_equal(nn_file_replace(in_folder("link"), &part, 1), NN_ERR_IO);
  assert_non_null(strstr(nn_error_last()->message, "a link to what is not there"));
}

static void what_is_no_file_is_not_replaced(void **state) {
  const nn_bytes part = {"x", 1};
  struct stat about;
  (void)state;
  assert_int_equal(mkfifo(in_folder("pipe"), 0666), 0);
  assert_int_equal(nn_file_replaceable(in_folder("pipe")), NN_ERR_IO);
  assert_int_equal(nn_file_replace(in_folder("pipe"), &part, 1), NN_ERR_IO);
  assert_non_null(strstr(nn_error_last()->message, "a pipe or device"));
  assert_int_equal(stat(in_folder("pipe"), &about), 0);
  assert_true(S_ISFIFO(about.st_mode));
  assert_int_equal(nn_file_replaceable(folder), NN_ERR_IO);
  assert_int_equal(nn_file_replaceable(in_folder("to be made")), NN_OK);
}

static void temporaries_of_killed_processes_are_swept_and_nothing_else(void **state) {
  (void)state;
  static const char *const names[] = {"swept/best.h5.4711.tmp", "swept/.x.1.tmp", "swept/mine.tmp", "swept/4711.tmp",
                                      "swept/a.h5.4711",        "swept/a.b7.tmp", "swept/a..tmp"};
  enum { NAMES = sizeof names / sizeof *names, SWEPT = 2 };
  const nn_bytes part = {"half", 4};
  nn_file_sweep(in_folder("swept")); /* a folder that does not exist has none */
  assert_int_equal(nn_directory_create(in_folder("swept")), NN_OK);
  for (int i = 0; i < NAMES; i++) assert_int_equal(nn_file_replace(in_folder(names[i]), &part, 1), NN_OK);
  nn_file_sweep(in_folder("swept"));
  for (int i = 0; i < NAMES; i++) assert_int_equal(access(in_folder(names[i]), F_OK) == 0, i >= SWEPT);
}

static void a_device_is_not_read(void **state) {
  (void)state;
  struct stat about;
  if (stat("/dev/full", &about) != 0) skip();
  char *text = NULL;
  size_t count = 0;
  assert_int_equal(nn_file_read("/dev/full", 10, &text, &count), NN_ERR_IO); /* not a regular file */
  assert_non_null(strstr(nn_error_last()->message, "not a file"));
}

static void files_that_cannot_be_read_say_why(void **state) {
  char *text = NULL;
  size_t count = 0;
  (void)state;
  assert_int_equal(nn_file_read(in_folder("missing"), 10, &text, &count), NN_ERR_IO);
  assert_non_null(strstr(nn_error_last()->message, "missing: no such file"));
  assert_null(strstr(nn_error_last()->message, "did you mean")); /* nothing there is like it */
  assert_int_equal(nn_file_read(folder, 10, &text, &count), NN_ERR_IO);
  assert_non_null(strstr(nn_error_last()->message, "folder"));
  assert_int_equal(nn_file_read(in_folder("a"), 2, &text, &count), NN_ERR_IO);
  assert_non_null(strstr(nn_error_last()->message, "more than"));
  assert_null(text);
}

static void of_a_file_that_is_not_there_the_nearest_is_named(void **state) {
  static const char *const there[] = {"near/fashion.yaml",      "near/fashion.h5", "near/step-000000020.h5",
                                      "near/step-000000030.h5", "near/b.h5",       "near/.fashion.yml"};
  static const char *const meant[][2] = {
      {"fashion.yml", "fashion.yaml'?"}, {"Fashion.yaml", "fashion.yaml'?"},
      {"fashion", "fashion.h5'?"},       {"step-000000010.h5", "step-000000020.h5'?"},
      {"a.h5", "no such file"},          {"fusion.yaml", "fashion.yaml'?"},
      {"other.yaml", "no such file"},    {"step_0000.yml", "step-000000020.h5'?"}};
  const nn_bytes part = {"x", 1};
  (void)state;
  assert_int_equal(nn_directory_create(in_folder("near")), NN_OK);
  for (size_t i = 0; i < sizeof there / sizeof *there; i++)
    assert_int_equal(nn_file_replace(in_folder(there[i]), &part, 1), NN_OK);
  for (size_t i = 0; i < sizeof meant / sizeof *meant; i++) {
    char name[64];
    snprintf(name, sizeof name, "near/%s", meant[i][0]);
    assert_int_equal(nn_file_missing(in_folder(name), NN_ERR_DATA), NN_ERR_DATA);
    const char *message = nn_error_last()->message, *end = meant[i][1];
    assert_string_equal(message + strlen(message) - strlen(end), end);
  }
  assert_int_equal(nn_file_missing("nowhere/at/all", NN_ERR_DATA), NN_ERR_DATA);
}

static void folders_are_made_with_their_parents(void **state) {
  (void)state;
  assert_int_equal(nn_directory_create(in_folder("p/q/r")), NN_OK);
  assert_int_equal(nn_directory_create(in_folder("p/q/r")), NN_OK);
  assert_int_equal(entries(in_folder("p/q")), 1);
  assert_int_equal(nn_directory_create(in_folder("a/b")), NN_ERR_IO); /* "a" is a file */
  assert_int_equal(nn_directory_create_for(in_folder("s/t/file")), NN_OK);
  assert_int_equal(entries(in_folder("s/t")), 0);
  assert_int_equal(nn_directory_create_for("file"), NN_OK);
  assert_int_equal(nn_directory_create_for("/file"), NN_OK);
}

static void the_log_writes_to_its_file(void **state) {
  nn_log *log = NULL;
  char *text = NULL;
  size_t count = 0;
  (void)state;
  assert_int_equal(nn_log_create(1, true, &log), NN_OK); /* rank 1: nothing on the terminal */
  nn_log_info(log, "before there was a file");
  assert_int_equal(nn_log_to_file(log, in_folder("log.txt")), NN_OK);
  nn_log_info(log, "epoch %d", 3);
  nn_log_warn(log, "slow disk");
  nn_log_destroy(&log);
  assert_null(log);
  assert_int_equal(nn_file_read(in_folder("log.txt"), 1000, &text, &count), NN_OK);
  assert_non_null(strstr(text, " before there was a file\n"));
  assert_non_null(strstr(text, " epoch 3\n"));
  assert_non_null(strstr(text, " warning: slow disk\n"));
  nn_free(text);
  nn_log_info(NULL, "dropped");
}

static void faults_name_point_number_and_rank(void **state) {
  (void)state;
  unsetenv("OMPI_COMM_WORLD_RANK");
  unsetenv("PMIX_RANK");
  unsetenv("PMI_RANK");
  unsetenv("NNMPI_FAULT");
  assert_false(nn_fault("open", 0));
  setenv("NNMPI_FAULT", "open@0", 1);
  assert_true(nn_fault("open", 0));
  assert_false(nn_fault("read", 0));
  setenv("NNMPI_FAULT", "step:7@1", 1);
  assert_false(nn_fault("step", 7)); /* we are rank 0 without a launcher */
  assert_int_equal(nn_launcher_rank(), -1);
  setenv("PMIX_RANK", "1", 1);
  assert_int_equal(nn_launcher_rank(), 1);
  assert_true(nn_fault("step", 7));
  assert_false(nn_fault("step", 8));
  unsetenv("PMIX_RANK");
  unsetenv("NNMPI_FAULT");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_file_is_replaced_whole),
      cmocka_unit_test(large_parts_are_written_whole_from_any_address),
      cmocka_unit_test(a_failed_replacement_leaves_the_old_file_and_no_temporary),
      cmocka_unit_test(a_link_stays_and_what_it_points_at_is_replaced),
      cmocka_unit_test(what_is_no_file_is_not_replaced),
      cmocka_unit_test(temporaries_of_killed_processes_are_swept_and_nothing_else),
      cmocka_unit_test(a_device_is_not_read),
      cmocka_unit_test(files_that_cannot_be_read_say_why),
      cmocka_unit_test(of_a_file_that_is_not_there_the_nearest_is_named),
      cmocka_unit_test(folders_are_made_with_their_parents),
      cmocka_unit_test(the_log_writes_to_its_file),
      cmocka_unit_test(faults_name_point_number_and_rank),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
