/* A plugin of qemu, version 1 of their interface (its docs/devel/tcg-plugins.rst): counts the instructions that a program
 * executes, of all its threads, and writes them to the file of its argument `out`. Debian has no header for plugins. */
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define PUBLIC __attribute__((visibility("default")))

struct block;
enum operation { ADD };

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*call)(uint64_t id, struct block *block));
void qemu_plugin_register_vcpu_tb_exec_inline(struct block *block, enum operation operation, void *sum, uint64_t added);
void qemu_plugin_register_atexit_cb(uint64_t id, void (*call)(uint64_t id, void *data), void *data);
size_t qemu_plugin_tb_n_insns(const struct block *block);

PUBLIC int qemu_plugin_version = 1;

static uint64_t executed;
static char path[4096];

static void translated(uint64_t id, struct block *block) {
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_inline(block, ADD, &executed, qemu_plugin_tb_n_insns(block));
}

static void ended(uint64_t id, void *data) {
    FILE *const out = fopen(path, "w");
    (void)id, (void)data;
    if (out) fprintf(out, "%" PRIu64 "\n", executed), fclose(out);
}

PUBLIC int qemu_plugin_install(uint64_t id, const void *emulator, int count, char **arguments) {
    (void)emulator;
    if (count != 1 || strncmp(arguments[0], "out=", 4) || strlen(arguments[0]) >= sizeof path) return 1;
    strcpy(path, arguments[0] + 4);
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, ended, NULL);
    return 0;
}
