/* comm.agree: agreement, plain collectives, shared windows. Run at 1, 2, 3 and 4 ranks. */
#include "mpi_test.h"

static void agree_gives_every_rank_the_failing_ranks_message(void **state) {
  nn_comm *comm = *state;
  const int last = nn_comm_size(comm) - 1;
  nn_status local = NN_OK;
  if (nn_comm_rank(comm) == last) local = NN_FAIL(NN_ERR_DATA, "shard %d is empty", last);
  assert_int_equal(nn_comm_agree(comm, local), NN_ERR_DATA);
  assert_int_equal(nn_error_last()->rank, last);
  char expected[64];
  snprintf(expected, sizeof expected, "shard %d is empty", last);
  assert_string_equal(nn_error_last()->message, expected);
  assert_true(strlen(nn_error_last()->host) > 0);
}

static void agree_takes_the_lowest_failing_rank(void **state) {
  nn_comm *comm = *state;
  const nn_status local = NN_FAIL(nn_comm_rank(comm) == 0 ? NN_ERR_IO : NN_ERR_DATA, "rank %d", nn_comm_rank(comm));
  assert_int_equal(nn_comm_agree(comm, local), NN_ERR_IO);
  assert_string_equal(nn_error_last()->message, "rank 0");
}

static void agree_is_silent_where_nobody_fails(void **state) {
  assert_int_equal(nn_comm_agree(*state, NN_OK), NN_OK);
}

static void a_block_reaches_every_rank(void **state) {
  nn_comm *comm = *state;
  char *data = NULL;
  size_t bytes = 0;
  if (nn_comm_rank(comm) == 0) {
    assert_int_equal(nn_string_copy("epochs: 3", &data), NN_OK);
    bytes = 9;
  }
  assert_int_equal(nn_comm_broadcast_block(comm, &data, &bytes), NN_OK);
  assert_int_equal(bytes, 9);
  assert_string_equal(data, "epochs: 3");
  nn_free(data);
  data = NULL;
  bytes = 0;
  assert_int_equal(nn_comm_broadcast_block(comm, &data, &bytes), NN_OK);
  assert_null(data);
}

static void ranks_are_gathered_in_order(void **state) {
  nn_comm *comm = *state;
  int all[16], mine = 10 * nn_comm_rank(comm);
  assert_int_equal(nn_comm_gather_all(comm, &mine, sizeof mine, all), NN_OK);
  for (int r = 0; r < nn_comm_size(comm); r++) assert_int_equal(all[r], 10 * r);
}

static void sums_and_maxima_span_all_ranks(void **state) {
  nn_comm *comm = *state;
  const int size = nn_comm_size(comm), rank = nn_comm_rank(comm);
  float f[2] = {1, (float)rank};
  double d = rank, most = -rank;
  assert_int_equal(nn_comm_sum_float(comm, f, 2), NN_OK);
  assert_int_equal(nn_comm_sum_double(comm, &d, 1), NN_OK);
  assert_int_equal(nn_comm_max_double(comm, &most, 1), NN_OK);
  assert_float_equal(f[0], (float)size, 0);
  assert_float_equal(f[1], (float)(size * (size - 1) / 2), 0);
  assert_true(d == 0.5 * size * (size - 1));
  assert_true(most == 0);
}

static void a_window_is_one_zeroed_block_for_the_node(void **state) {
  nn_comm *comm = *state;
  const size_t count = 1000;
  nn_window *window = NULL;
  assert_int_equal(nn_window_create(comm, count * sizeof(int), &window), NN_OK);
  int *data = nn_window_data(window);
  assert_int_equal((uintptr_t)data % NN_ALIGNMENT, 0);
  for (size_t i = 0; i < count; i++) assert_int_equal(data[i], 0);
  assert_int_equal(nn_window_sync(window), NN_OK);
  data[nn_comm_node_rank(comm)] = 1 + nn_comm_node_rank(comm);
  assert_int_equal(nn_window_sync(window), NN_OK);
  for (int r = 0; r < nn_comm_node_size(comm); r++) assert_int_equal(data[r], 1 + r);
  assert_int_equal(nn_window_sync(window), NN_OK);
  nn_window_destroy(&window);
  assert_null(window);
}

static void this_machine_is_one_node(void **state) {
  nn_comm *comm = *state;
  assert_int_equal(nn_comm_node_size(comm), nn_comm_size(comm));
  assert_int_equal(nn_comm_node_count(comm), 1);
  assert_int_equal(nn_comm_node_index(comm), 0);
  assert_true(strlen(nn_comm_library(comm)) > 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(agree_gives_every_rank_the_failing_ranks_message),
      cmocka_unit_test(agree_takes_the_lowest_failing_rank),
      cmocka_unit_test(agree_is_silent_where_nobody_fails),
      cmocka_unit_test(a_block_reaches_every_rank),
      cmocka_unit_test(ranks_are_gathered_in_order),
      cmocka_unit_test(sums_and_maxima_span_all_ranks),
      cmocka_unit_test(a_window_is_one_zeroed_block_for_the_node),
      cmocka_unit_test(this_machine_is_one_node),
  };
  return cmocka_run_group_tests(tests, nn_test_open_comm, nn_test_close_comm);
}
