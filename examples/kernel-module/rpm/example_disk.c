// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>

static int queue_depth = 32;
module_param(queue_depth, int, 0444);
MODULE_PARM_DESC(queue_depth, "commands that a controller gets at a time");

static int __init example_disk_init(void)
{
	pr_info("example_disk: %d commands at a time\n", queue_depth);
	return 0;
}

static void __exit example_disk_exit(void)
{
}

module_init(example_disk_init);
module_exit(example_disk_exit);
MODULE_DESCRIPTION("Driver of Example disk controllers");
MODULE_LICENSE("GPL");
