public import CKernel

// One line a structure, in the order of linux/fuse.h. A test adds the digits up.

extension UInt32: WireStructure { public static var fields: StaticString { "4" } }
extension fuse_in_header: WireStructure { public static var fields: StaticString { "448844422" } }
extension fuse_out_header: WireStructure { public static var fields: StaticString { "448" } }
extension fuse_init_in: WireStructure { public static var fields: StaticString { "4444444444444444" } }
extension fuse_init_out: WireStructure { public static var fields: StaticString { "444422442244444444" } }

extension fuse_entry_out: WireStructure { public static var fields: StaticString { "8888448888884444444444" } }
extension fuse_forget_in: WireStructure { public static var fields: StaticString { "8" } }
extension fuse_forget_one: WireStructure { public static var fields: StaticString { "88" } }
extension fuse_batch_forget_in: WireStructure { public static var fields: StaticString { "44" } }
extension fuse_getattr_in: WireStructure { public static var fields: StaticString { "448" } }
extension fuse_attr_out: WireStructure { public static var fields: StaticString { "8448888884444444444" } }
extension fuse_setattr_in: WireStructure { public static var fields: StaticString { "4488888844444444" } }
extension fuse_statx_in: WireStructure { public static var fields: StaticString { "44844" } }
extension fuse_statx_out: WireStructure {
    public static var fields: StaticString { "84488448444228888844844844844444488888888888888" }
}
extension fuse_statfs_out: WireStructure { public static var fields: StaticString { "888884444444444" } }
extension fuse_access_in: WireStructure { public static var fields: StaticString { "44" } }

extension fuse_mknod_in: WireStructure { public static var fields: StaticString { "4444" } }
extension fuse_mkdir_in: WireStructure { public static var fields: StaticString { "44" } }
extension fuse_rename_in: WireStructure { public static var fields: StaticString { "8" } }
extension fuse_rename2_in: WireStructure { public static var fields: StaticString { "844" } }
extension fuse_link_in: WireStructure { public static var fields: StaticString { "8" } }
extension fuse_create_in: WireStructure { public static var fields: StaticString { "4444" } }
extension fuse_ext_header: WireStructure { public static var fields: StaticString { "44" } }

extension fuse_open_in: WireStructure { public static var fields: StaticString { "44" } }
extension fuse_open_out: WireStructure { public static var fields: StaticString { "844" } }
extension fuse_release_in: WireStructure { public static var fields: StaticString { "8448" } }
extension fuse_flush_in: WireStructure { public static var fields: StaticString { "8448" } }
extension fuse_fsync_in: WireStructure { public static var fields: StaticString { "844" } }
extension fuse_read_in: WireStructure { public static var fields: StaticString { "8844844" } }
extension fuse_write_in: WireStructure { public static var fields: StaticString { "8844844" } }
extension fuse_write_out: WireStructure { public static var fields: StaticString { "44" } }
extension fuse_fallocate_in: WireStructure { public static var fields: StaticString { "88844" } }
extension fuse_lseek_in: WireStructure { public static var fields: StaticString { "8844" } }
extension fuse_lseek_out: WireStructure { public static var fields: StaticString { "8" } }
extension fuse_copy_file_range_in: WireStructure { public static var fields: StaticString { "8888888" } }
extension fuse_copy_file_range_out: WireStructure { public static var fields: StaticString { "8" } }
extension fuse_syncfs_in: WireStructure { public static var fields: StaticString { "8" } }

extension fuse_getxattr_in: WireStructure { public static var fields: StaticString { "44" } }
extension fuse_getxattr_out: WireStructure { public static var fields: StaticString { "44" } }
extension fuse_lk_in: WireStructure { public static var fields: StaticString { "88884444" } }
extension fuse_lk_out: WireStructure { public static var fields: StaticString { "8844" } }
extension fuse_interrupt_in: WireStructure { public static var fields: StaticString { "8" } }
extension fuse_ioctl_in: WireStructure { public static var fields: StaticString { "844844" } }
extension fuse_ioctl_out: WireStructure { public static var fields: StaticString { "4444" } }
extension fuse_poll_in: WireStructure { public static var fields: StaticString { "8844" } }
extension fuse_poll_out: WireStructure { public static var fields: StaticString { "44" } }
