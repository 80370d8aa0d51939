// swift-tools-version: 6.2
import PackageDescription

/// What every Swift target here is compiled with, beyond Swift 6 mode.
let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

/// The three rooms that touch shared or foreign memory say `unsafe` at each place that does.
let memorySafe: [SwiftSetting] = strict + [.strictMemorySafety()]

let systemPackage: Target.Dependency = .product(name: "SystemPackage", package: "swift-system")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")

let package = Package(
    name: "swift-virtiofs",
    products: [
        .executable(name: "virtiofs", targets: ["virtiofs"]),
        .executable(name: "posixsuite", targets: ["POSIXSuiteCommand"]),
        .library(name: "POSIXSuite", targets: ["POSIXSuite"]),
        .library(name: "GuestMemory", targets: ["GuestMemory"]),
        .library(name: "Virtqueue", targets: ["Virtqueue"]),
        .library(name: "Virtio", targets: ["Virtio"]),
        .library(name: "FUSEWire", targets: ["FUSEWire"]),
        .library(name: "VirtioFSDevice", targets: ["VirtioFSDevice"]),
        .library(name: "HostDirectory", targets: ["HostDirectory"]),
        .library(name: "VirtioFSDriver", targets: ["VirtioFSDriver"]),
        .library(name: "GuestVFS", targets: ["GuestVFS"]),
        .library(name: "KernelMount", targets: ["KernelMount"]),
        .library(name: "VhostUser", targets: ["VhostUser"]),
        .library(name: "Sandbox", targets: ["Sandbox"]),
        .library(name: "Tracing", targets: ["Tracing"]),
        .library(name: "VirtioTestSupport", targets: ["VirtioTestSupport"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
        .package(url: "https://github.com/apple/swift-system", from: "1.4.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
    ],
    targets: [
        .target(name: "CKernel"),
        .systemLibrary(name: "CFuse3", pkgConfig: "fuse3", providers: [.apt(["libfuse3-dev"])]),
        .target(name: "Syscalls", dependencies: ["CKernel", systemPackage], swiftSettings: strict),
        .target(name: "GuestMemory", dependencies: ["Syscalls", "CKernel", systemPackage], swiftSettings: memorySafe),
        .target(name: "Virtqueue", dependencies: ["GuestMemory", "Syscalls", "CKernel"], swiftSettings: memorySafe),
        .target(
            name: "Virtio", dependencies: ["Virtqueue", "GuestMemory", "Syscalls", "CKernel", systemPackage],
            swiftSettings: strict),
        .target(name: "FUSEWire", dependencies: ["CKernel", systemPackage], swiftSettings: memorySafe),
        .target(
            name: "VirtioFSDevice",
            dependencies: [
                "Virtio", "Virtqueue", "GuestMemory", "FUSEWire", "Syscalls", "CKernel", systemPackage, logging,
            ], swiftSettings: strict),
        .target(
            name: "HostDirectory",
            dependencies: ["VirtioFSDevice", "FUSEWire", "Syscalls", "CKernel", systemPackage, logging],
            swiftSettings: strict),
        .target(
            name: "VirtioFSDriver",
            dependencies: [
                "Virtio", "Virtqueue", "GuestMemory", "FUSEWire", "Syscalls", "CKernel", systemPackage, logging,
            ], swiftSettings: strict),
        .target(
            name: "GuestVFS", dependencies: ["VirtioFSDriver", "FUSEWire", "Syscalls", "CKernel", systemPackage],
            swiftSettings: strict),
        .target(
            name: "GuestShell",
            dependencies: ["GuestVFS", "VirtioFSDriver", "Syscalls", "CKernel", systemPackage], swiftSettings: strict),
        .target(
            name: "KernelMount",
            dependencies: ["VirtioFSDriver", "CFuse3", "FUSEWire", "Syscalls", "CKernel", systemPackage, logging],
            swiftSettings: strict),
        .target(
            name: "VirtioTestSupport",
            dependencies: [
                "VirtioFSDevice", "Virtio", "Virtqueue", "GuestMemory", "FUSEWire", "Syscalls", "CKernel",
                systemPackage,
            ],
            swiftSettings: strict),
        .target(
            name: "VhostUser",
            dependencies: ["Virtio", "Virtqueue", "GuestMemory", "Syscalls", "CKernel", systemPackage, logging],
            swiftSettings: strict),
        .systemLibrary(name: "CSeccomp", pkgConfig: "libseccomp", providers: [.apt(["libseccomp-dev"])]),
        .target(
            name: "Sandbox", dependencies: ["Syscalls", "CKernel", "CSeccomp", systemPackage], swiftSettings: strict),
        .target(name: "POSIXSuite", dependencies: ["CKernel", systemPackage], swiftSettings: strict),
        .executableTarget(
            name: "POSIXSuiteCommand", dependencies: ["POSIXSuite", "CKernel", systemPackage], swiftSettings: strict),
        .target(
            name: "Tracing",
            dependencies: ["Virtio", "Virtqueue", "GuestMemory", "FUSEWire", "Syscalls", "CKernel", systemPackage],
            swiftSettings: strict),
        .executableTarget(
            name: "virtiofs",
            dependencies: [
                "Tracing", "VhostUser", "Sandbox", "GuestShell", "GuestVFS",
                "KernelMount", "VirtioFSDriver", "VirtioFSDevice", "HostDirectory", "Virtio", "Virtqueue", "FUSEWire",
                "Syscalls", "CKernel", systemPackage, logging,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], swiftSettings: strict),
        .testTarget(name: "FUSEWireTests", dependencies: ["FUSEWire", "CKernel"], swiftSettings: strict),
        .testTarget(
            name: "HostDirectoryTests",
            dependencies: [
                "HostDirectory", "VirtioFSDevice", "Virtqueue", "FUSEWire", "Syscalls", "CKernel", systemPackage,
            ], swiftSettings: strict),
        .testTarget(
            name: "GuestMemoryTests", dependencies: ["GuestMemory", "Syscalls", systemPackage], swiftSettings: strict),
        .testTarget(
            name: "VirtqueueTests", dependencies: ["Virtqueue", "GuestMemory", "Syscalls", "CKernel", systemPackage],
            swiftSettings: strict),
        .testTarget(
            name: "VirtioFSDeviceTests",
            dependencies: [
                "VirtioTestSupport", "VirtioFSDevice", "HostDirectory", "Virtio", "Virtqueue", "GuestMemory",
                "FUSEWire",
                "Syscalls", "CKernel", systemPackage, logging,
            ], swiftSettings: strict),
        .testTarget(
            name: "VirtioFSDriverTests",
            dependencies: [
                "VirtioTestSupport", "VirtioFSDriver", "VirtioFSDevice", "HostDirectory", "Virtio", "Virtqueue",
                "GuestMemory", "FUSEWire", "Syscalls", "CKernel", systemPackage, logging,
            ], swiftSettings: strict),
        .testTarget(
            name: "GuestVFSTests",
            dependencies: [
                "VirtioTestSupport", "GuestVFS", "VirtioFSDriver", "VirtioFSDevice", "HostDirectory", "Virtio",
                "FUSEWire", "Syscalls", "CKernel", systemPackage, logging,
            ], swiftSettings: strict),
        .testTarget(name: "GuestShellTests", dependencies: ["GuestShell"], swiftSettings: strict),
        .testTarget(
            name: "HostileTests",
            dependencies: [
                "VirtioTestSupport", "VirtioFSDevice", "HostDirectory", "Virtio", "Virtqueue", "GuestMemory",
                "FUSEWire",
                "Syscalls", "CKernel", systemPackage, logging,
            ], swiftSettings: strict),
        .testTarget(
            name: "KernelMountTests",
            dependencies: [
                "KernelMount", "VirtioFSDriver", "VirtioFSDevice", "HostDirectory", "Virtio", "VirtioTestSupport",
                "ProcessSupport", "FUSEWire", "Syscalls", "CKernel", systemPackage,
            ], swiftSettings: strict),
        .target(
            name: "ProcessSupport", dependencies: ["Syscalls", "CKernel", systemPackage], path: "Tests/ProcessSupport",
            swiftSettings: strict),
        .target(
            name: "ServeSupport",
            dependencies: ["ProcessSupport", "VirtioTestSupport", "Syscalls", "CKernel", systemPackage],
            path: "Tests/ServeSupport",
            swiftSettings: strict),
        .testTarget(
            name: "TracingTests",
            dependencies: [
                "Tracing", "ServeSupport", "VirtioTestSupport", "VirtioFSDriver", "VirtioFSDevice", "HostDirectory",
                "Virtio", "Virtqueue", "FUSEWire", "Syscalls", "CKernel", systemPackage,
            ], swiftSettings: strict),
        .testTarget(
            name: "VhostUserTests",
            dependencies: [
                "VhostUser", "ServeSupport", "ProcessSupport", "VirtioTestSupport", "VirtioFSDriver", "Virtio",
                "Virtqueue",
                "GuestMemory",
                "FUSEWire", "Syscalls", "CKernel", "virtiofs", systemPackage,
            ], swiftSettings: strict),
        .testTarget(
            name: "GuestTests",
            dependencies: [
                "ServeSupport", "ProcessSupport", "VirtioTestSupport", "Syscalls", "CKernel", "virtiofs", systemPackage,
            ],
            exclude: ["Guest"], swiftSettings: strict),
        .target(name: "CProbe", path: "Tests/CProbe"),
        .executableTarget(
            name: "SandboxProbe", dependencies: ["Sandbox", "Syscalls", "CKernel", "CProbe", systemPackage],
            path: "Tests/SandboxProbe", swiftSettings: strict),
        .testTarget(
            name: "SandboxTests",
            dependencies: [
                "SandboxProbe", "Sandbox", "ProcessSupport", "ServeSupport", "VirtioTestSupport", "Syscalls",
                "virtiofs", systemPackage,
            ], swiftSettings: strict),
        .testTarget(
            name: "POSIXSuiteTests",
            dependencies: [
                "POSIXSuite", "POSIXSuiteCommand", "virtiofs", "ProcessSupport", "ServeSupport", "GuestVFS",
                "VirtioTestSupport",
                "VirtioFSDriver", "VirtioFSDevice", "HostDirectory", "Virtio", "FUSEWire", "Syscalls", "CKernel",
                systemPackage, logging,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "virtiofsTests",
            dependencies: ["virtiofs", "ProcessSupport", "ServeSupport", "VirtioTestSupport", systemPackage],
            swiftSettings: strict),
    ]
)
