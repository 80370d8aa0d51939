import CKernel
import FUSEWire
import Testing

@Suite struct ByteOrderTests {
    private func check<each Value: WireStructure & BitwiseCopyable>(_ type: repeat (each Value).Type) {
        repeat checkOne(each type)
    }

    private func checkOne<Value: WireStructure & BitwiseCopyable>(_ type: Value.Type) {
        let widths = type.fields.withUTF8Buffer { $0.map { Int($0 - UInt8(ascii: "0")) } }
        #expect(widths.reduce(0, +) == MemoryLayout<Value>.size, "\(type)")
        #expect(widths.allSatisfy { [2, 4, 8].contains($0) }, "\(type)")
        // Each field's bytes are turned in place, and turning them twice changes nothing.
        let bytes = (0..<MemoryLayout<Value>.size).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ 5) }
        let value = bytes.withUnsafeBytes { $0.loadUnaligned(as: Value.self) }
        var expected: [UInt8] = []
        for width in widths { expected += bytes[expected.count..<(expected.count + width)].reversed() }
        #expect(withUnsafeBytes(of: value.byteSwapped) { Array($0) } == expected, "\(type)")
        #expect(withUnsafeBytes(of: value.byteSwapped.byteSwapped) { Array($0) } == bytes, "\(type)")
    }

    @Test("The layout of each structure names all of its bytes, and its fields are turned one by one")
    func layouts() {
        check(
            UInt32.self, fuse_in_header.self, fuse_out_header.self, fuse_init_in.self, fuse_init_out.self,
            fuse_entry_out.self, fuse_forget_in.self, fuse_forget_one.self, fuse_batch_forget_in.self,
            fuse_getattr_in.self, fuse_attr_out.self, fuse_setattr_in.self, fuse_statx_in.self, fuse_statx_out.self,
            fuse_statfs_out.self, fuse_access_in.self, fuse_mknod_in.self, fuse_mkdir_in.self, fuse_rename_in.self,
            fuse_rename2_in.self, fuse_link_in.self, fuse_create_in.self, fuse_ext_header.self, fuse_open_in.self,
            fuse_open_out.self, fuse_release_in.self, fuse_flush_in.self, fuse_fsync_in.self, fuse_read_in.self,
            fuse_write_in.self, fuse_write_out.self, fuse_fallocate_in.self, fuse_lseek_in.self, fuse_lseek_out.self,
            fuse_copy_file_range_in.self, fuse_copy_file_range_out.self, fuse_syncfs_in.self, fuse_getxattr_in.self,
            fuse_getxattr_out.self, fuse_lk_in.self, fuse_lk_out.self, fuse_interrupt_in.self, fuse_ioctl_in.self,
            fuse_ioctl_out.self, fuse_poll_in.self, fuse_poll_out.self)
    }

    @Test("Fields that mean something are where the layout has them")
    func places() {
        var entry = fuse_entry_out()
        (entry.nodeid, entry.attr.size, entry.attr.mode) = (0x0102_0304_0506_0708, 0x11, 0o100644)
        let swapped = entry.byteSwapped
        #expect(swapped.nodeid == entry.nodeid.byteSwapped && swapped.attr.size == entry.attr.size.byteSwapped)
        #expect(swapped.attr.mode == entry.attr.mode.byteSwapped)
        var status = fuse_statx_out()
        (status.stat.mode, status.stat.ino, status.stat.btime.tv_nsec) = (0o100644, 77, 999)
        let turned = status.byteSwapped
        #expect(turned.stat.mode == status.stat.mode.byteSwapped && turned.stat.ino == UInt64(77).byteSwapped)
        #expect(turned.stat.btime.tv_nsec == UInt32(999).byteSwapped)
        var answer = fuse_init_out()
        (answer.max_background, answer.max_write, answer.max_pages, answer.flags2) = (1, 2, 3, 4)
        let reply = answer.byteSwapped
        #expect(reply.max_background == UInt16(1).byteSwapped && reply.max_write == UInt32(2).byteSwapped)
        #expect(reply.max_pages == UInt16(3).byteSwapped && reply.flags2 == UInt32(4).byteSwapped)
    }

    @Test("A cursor takes no more than there is, in either order")
    func cursor() throws {
        let bytes: [UInt8] = [0, 0, 0, 1, 0x61, 0x62, 0, 7]
        try bytes.withUnsafeBytes { bytes in
            var cursor = WireCursor(bytes, isSwapped: UInt32(1).bigEndian != 1)
            let (number, name) = (try cursor.consume(UInt32.self), try cursor.consumeName())
            #expect(number == 1 && name.count == 2)
            #expect(throws: DecodeError.short(needed: 4, have: 1)) { _ = try cursor.consume(UInt32.self) }
            #expect(throws: DecodeError.unterminated) { _ = try cursor.consumeName() }
            #expect(throws: DecodeError.short(needed: 2, have: 1)) { _ = try cursor.consumeBytes(2) }
            let last = try cursor.consumeBytes(1)
            #expect(last.first == 7)
        }
    }
}
