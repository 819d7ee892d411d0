/* The table of commands. */
#include "cli.h"

static const nn__option train_options[] = {
    {.name = "set", .value = "KEY.PATH=VALUE", .repeats = true},
    {.name = "hidden", .value = "N,N,..."},
    {.name = "lr", .value = "RATE"},
    {.name = "epochs", .value = "N"},
    {.name = "trace", .value = "N"},
    {.name = "profile"},
    {.name = "dry-run"},
    {.name = "ranks", .value = "N"},
    {.name = "ranks-per-node", .value = "N"},
    {.name = "restart"},
    {.name = "quiet"},
    {.name = "version"},
    {.name = "help-config"},
    {0},
};

static const nn__option import_options[] = {{0}};

static const nn__option import_idx_options[] = {
    {.name = "images", .value = "FILE"},
    {.name = "labels", .value = "FILE"},
    {.name = "test-images", .value = "FILE"},
    {.name = "test-labels", .value = "FILE"},
    {.name = "class-names", .value = "NAME,NAME,..."},
    {.name = "output", .letter = 'o', .value = "FILE.h5"},
    {0},
};

static const nn__option import_csv_options[] = {
    {.name = "target", .value = "COLUMN"},
    {.name = "target-type", .value = "TYPE"},
    {.name = "test-fraction", .value = "F"},
    {.name = "valid-fraction", .value = "F"},
    {.name = "seed", .value = "N"},
    {.name = "output", .letter = 'o', .value = "FILE.h5"},
    {0},
};

static const nn__option inspect_options[] = {{0}};

static const nn__option evaluate_options[] = {
    {.name = "split", .value = "SET"},
    {.name = "threads", .value = "N"},
    {0},
};

static const nn__option predict_options[] = {
    {.name = "output", .letter = 'o', .value = "FILE.h5|FILE.csv"},
    {.name = "row", .value = "V,V,..."},
    {.name = "activations"},
    {.name = "split", .value = "SET"},
    {.name = "threads", .value = "N"},
    {0},
};

static const nn__command train = {
    .name = "",
    .options = train_options,
    .operands = {"CONFIG.yaml"},
    .required = 1,
    .collective = true,
    .usage = nn__usage_train,
    .run = nn__train_run,
};

static const nn__command import = {
    .name = "import",
    .options = import_options,
    .usage = nn__usage_import,
    .run = nn__import_run,
};

static const nn__command import_idx = {
    .name = "import idx",
    .options = import_idx_options,
    .usage = nn__usage_import_idx,
    .run = nn__import_idx_run,
};

static const nn__command import_csv = {
    .name = "import csv",
    .options = import_csv_options,
    .operands = {"FILE.csv"},
    .required = 1,
    .usage = nn__usage_import_csv,
    .run = nn__import_csv_run,
};

static const nn__command inspect = {
    .name = "inspect",
    .options = inspect_options,
    .operands = {"FILE.h5", "OTHER.h5"},
    .required = 1,
    .usage = nn__usage_inspect,
    .run = nn__inspect_run,
};

static const nn__command evaluate = {
    .name = "evaluate",
    .options = evaluate_options,
    .operands = {"CHECKPOINT.h5", "DATA.h5"},
    .required = 2,
    .collective = true,
    .usage = nn__usage_evaluate,
    .run = nn__evaluate_run,
};

static const nn__command predict = {
    .name = "predict",
    .options = predict_options,
    .operands = {"CHECKPOINT.h5", "DATA.h5"},
    .required = 1, /* DATA.h5 is not wanted with --row */
    .collective = true,
    .usage = nn__usage_predict,
    .run = nn__predict_run,
};

const nn__command *const nn__commands[] = {&train,   &import,   &import_idx, &import_csv,
                                           &inspect, &evaluate, &predict,    NULL};
