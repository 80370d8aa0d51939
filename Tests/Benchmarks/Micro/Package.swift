// swift-tools-version: 6.1
import PackageDescription

// A package of its own, so that nobody who uses swift-virtiofs resolves what measures it.
let package = Package(
    name: "swift-virtiofs-benchmarks",
    platforms: [.macOS(.v13)],
    dependencies: [
        .package(name: "swift-virtiofs", path: "../../.."),
        // Without its traits it counts no allocations (Tests/Costs does), and needs no library beside it.
        .package(url: "https://github.com/ordo-one/benchmark", from: "1.38.0", traits: []),
        .package(url: "https://github.com/apple/swift-system", from: "1.4.0"),
    ],
    targets: [
        .executableTarget(
            name: "MicroBenchmarks",
            dependencies: [
                .product(name: "Benchmark", package: "benchmark"),
                .product(name: "GuestMemory", package: "swift-virtiofs"),
                .product(name: "Virtqueue", package: "swift-virtiofs"),
                .product(name: "FUSEWire", package: "swift-virtiofs"),
                .product(name: "VirtioFSDevice", package: "swift-virtiofs"),
                .product(name: "HostDirectory", package: "swift-virtiofs"),
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            path: "Benchmarks/MicroBenchmarks",
            plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")]),
        .executableTarget(
            name: "ManyMounts",
            dependencies: [
                .product(name: "HostDirectory", package: "swift-virtiofs"),
                .product(name: "KernelMount", package: "swift-virtiofs"),
                .product(name: "Virtio", package: "swift-virtiofs"),
                .product(name: "VirtioFSDevice", package: "swift-virtiofs"),
                .product(name: "VirtioFSDriver", package: "swift-virtiofs"),
                .product(name: "SystemPackage", package: "swift-system"),
            ]),
    ]
)
