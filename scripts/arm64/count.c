/* Counts the arm64 instructions that a program executes under qemu-aarch64 (plugin interface version 1).
 * Option: out=FILE. The counters are that file, mapped: a process that is killed, or that may not open files any more,
 * is counted all the same. One record for each thread:
 *   all instructions, those of NEON (its arithmetic, loads and stores of vector registers), scalar floating point.
 * A block is counted whole when it is entered. SVE is not told apart. */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The few functions of QEMU that are used; Debian has no package with its header. */
typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
extern const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
extern size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);
extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct qemu_plugin_tb *));
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, void (*)(unsigned, void *), int, void *);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

enum { THREADS = 1024 };
/* A record is a cache line, so that threads do not wait for each other. */
static struct record { uint64_t all, vector, scalar, unused[5]; } *records;

static void executed(unsigned thread, void *packed)
{
    uint64_t counts = (uint64_t)(uintptr_t)packed;
    struct record *record = &records[thread % THREADS];
    record->all += counts & 0xffff;
    record->vector += counts >> 16 & 0xffff;
    record->scalar += counts >> 32;
}

static void translated(plugin_id id, struct qemu_plugin_tb *block)
{
    (void)id;
    uint64_t all = qemu_plugin_tb_n_insns(block), vector = 0, scalar = 0;
    for (size_t i = 0; i < all; i++) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, i);
        uint32_t word;
        if (qemu_plugin_insn_size(instruction) != sizeof word)
            continue;
        memcpy(&word, qemu_plugin_insn_data(instruction), sizeof word);
        if ((word >> 25 & 7) == 7) {                              /* arithmetic of vectors and floats */
            if (word >> 31 || word >> 28 & 1) scalar++; else vector++;
        } else if ((word >> 25 & 5) == 4 && word >> 26 & 1) {     /* loads and stores of their registers */
            vector++;
        }
    }
    uint64_t packed = all | vector << 16 | scalar << 32;
    qemu_plugin_register_vcpu_tb_exec_cb(block, executed, 0, (void *)(uintptr_t)packed);
}

__attribute__((visibility("default")))
int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
    (void)info;
    if (argc != 1 || strncmp(argv[0], "out=", 4))
        return 1;
    int file = open(argv[0] + 4, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || ftruncate(file, THREADS * sizeof *records))
        return 1;
    records = mmap(NULL, THREADS * sizeof *records, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (records == MAP_FAILED)
        return 1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    return 0;
}
