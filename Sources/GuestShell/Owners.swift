import CKernel
import Glibc

/// Names of users and groups, as this machine knows them; numbers of others.
enum Owners {
    static func user(_ id: UInt32) -> String { getpwuid(id).map { String(cString: $0.pointee.pw_name) } ?? String(id) }
    static func group(_ id: UInt32) -> String { getgrgid(id).map { String(cString: $0.pointee.gr_name) } ?? String(id) }
}
