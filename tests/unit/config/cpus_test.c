/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/config/support.h"

#include "config/cpus.h"

#include <sched.h>
#include <sys/stat.h>

/* A control group tree of its own: a mount with the groups /a and /a/b. */
static char root[] = "/tmp/hubbub-cgroup-XXXXXX";
static char membership[64];

static void write_file(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", root, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void remove_file(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", root, name);
    unlink(path);
}

static int make_tree(void **state)
{
    (void)state;
    char path[128];
    strcpy(root + sizeof root - 7, "XXXXXX");
    if (!mkdtemp(root))
        return -1;
    snprintf(membership, sizeof membership, "%s/membership", root);
    snprintf(path, sizeof path, "%s/a", root);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/a/b", root);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/cpu", root);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/cpu/a", root);
    mkdir(path, 0700);
    return 0;
}

static int remove_tree(void **state)
{
    (void)state;
    static const char *const files[] = {"membership",
                                        "cpu.max",
                                        "a/cpu.max",
                                        "a/b/cpu.max",
                                        "cpu/cpu.cfs_quota_us",
                                        "cpu/cpu.cfs_period_us",
                                        "cpu/a/cpu.cfs_quota_us",
                                        "cpu/a/cpu.cfs_period_us"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        remove_file(files[i]);
    static const char *const folders[] = {"a/b", "a", "cpu/a", "cpu"};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", root, folders[i]);
        rmdir(path);
    }
    return rmdir(root);
}

static void a_quota_is_rounded_up(void **state)
{
    (void)state;
    write_file("membership", "0::/a/b\n");
    write_file("a/b/cpu.max", "200000 100000\n");
    assert_int_equal(cpus_in_quota(membership, root), 2);
    write_file("a/b/cpu.max", "200001 100000\n");
    assert_int_equal(cpus_in_quota(membership, root), 3);
    write_file("a/b/cpu.max", "1000 100000\n");
    assert_int_equal(cpus_in_quota(membership, root), 1);
}

static void the_smallest_quota_up_the_tree_counts(void **state)
{
    (void)state;
    write_file("membership", "12:cpu:/elsewhere\n1:name=systemd:/x\n0::/a/b\n");
    write_file("a/b/cpu.max", "800000 100000\n");
    write_file("a/cpu.max", "300000 100000\n");
    write_file("cpu.max", "max 100000\n");
    assert_int_equal(cpus_in_quota(membership, root), 3);
    write_file("cpu.max", "150000 100000\n");
    assert_int_equal(cpus_in_quota(membership, root), 2);
}

static void the_root_of_a_container_is_read(void **state)
{
    (void)state;
    write_file("membership", "0::/\n");
    write_file("cpu.max", "400000 100000\n");
    assert_int_equal(cpus_in_quota(membership, root), 4);
}

static void write_first_version(const char *quota, const char *quota_above)
{
    write_file("cpu/a/cpu.cfs_quota_us", quota);
    write_file("cpu/a/cpu.cfs_period_us", "100000\n");
    write_file("cpu/cpu.cfs_quota_us", quota_above);
    write_file("cpu/cpu.cfs_period_us", "50000\n");
}

static void quotas_of_the_first_version_count_too(void **state)
{
    (void)state;
    write_file("membership", "3:cpuset:/x\n2:cpu,cpuacct:/a\n1:name=systemd:/\n");
    write_first_version("250000\n", "-1\n");
    assert_int_equal(cpus_in_quota(membership, root), 3);
    write_first_version("250000\n", "100000\n");
    assert_int_equal(cpus_in_quota(membership, root), 2);
    write_first_version("-1\n", "-1\n");
    assert_int_equal(cpus_in_quota(membership, root), 0);
    /* Both trees may be mounted; the controller is in one of them. */
    write_file("membership", "2:cpuacct:/\n1:cpu:/a\n0::/\n");
    write_first_version("100000\n", "-1\n");
    assert_int_equal(cpus_in_quota(membership, root), 1);
}

static void a_container_of_the_first_version_sees_its_group_as_the_root(void **state)
{
    (void)state;
    write_file("membership", "1:cpu:/of/the/host\n");
    write_first_version("-1\n", "200000\n");
    assert_int_equal(cpus_in_quota(membership, root), 4);
}

static void without_a_quota_there_is_none(void **state)
{
    (void)state;
    assert_int_equal(cpus_in_quota("/nowhere/cgroup", root), 0);
    write_file("membership", "4:cpu:/a\n");
    assert_int_equal(cpus_in_quota(membership, root), 0);
    write_file("membership", "0::/a/b\n");
    assert_int_equal(cpus_in_quota(membership, root), 0);
    static const char *const texts[] = {"max 100000\n", "", "0 100000\n", "100 0\n", "nonsense"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        write_file("a/b/cpu.max", texts[i]);
        assert_int_equal(cpus_in_quota(membership, root), 0);
    }
}

static void the_mask_of_the_process_counts(void **state)
{
    (void)state;
    cpu_set_t before, one;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    assert_int_equal(cpus_in_mask(), CPU_COUNT(&before));
    size_t first = 0;
    while (!CPU_ISSET(first, &before))
        first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(cpus_in_mask(), 1);
    config values = {.workers = 0};
    assert_int_equal(config_worker_count(&values), 1);
    values.workers = 7; /* a number is taken as it is */
    assert_int_equal(config_worker_count(&values), 7);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
}

static void a_list_of_cpus_is_a_set(void **state)
{
    (void)state;
    cpu_set_t set;
    assert_true(cpus_parse_list("7, 0,2-4,3", &set));
    assert_int_equal(CPU_COUNT(&set), 5);
    static const unsigned in[] = {0, 2, 3, 4, 7};
    for (size_t i = 0; i < sizeof in / sizeof in[0]; i++)
        assert_true(CPU_ISSET(in[i], &set));
    assert_true(cpus_parse_list("0-1023", &set));
    assert_int_equal(CPU_COUNT(&set), 1024);
    assert_false(cpus_parse_list("", &set));
    assert_false(cpus_parse_list("0 1", &set));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_quota_is_rounded_up, make_tree, remove_tree),
        cmocka_unit_test_setup_teardown(the_smallest_quota_up_the_tree_counts, make_tree, remove_tree),
        cmocka_unit_test_setup_teardown(the_root_of_a_container_is_read, make_tree, remove_tree),
        cmocka_unit_test_setup_teardown(quotas_of_the_first_version_count_too, make_tree, remove_tree),
        cmocka_unit_test_setup_teardown(a_container_of_the_first_version_sees_its_group_as_the_root,
                                        make_tree, remove_tree),
        cmocka_unit_test_setup_teardown(without_a_quota_there_is_none, make_tree, remove_tree),
        cmocka_unit_test(the_mask_of_the_process_counts),
        cmocka_unit_test(a_list_of_cpus_is_a_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
