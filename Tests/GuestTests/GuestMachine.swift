/// What a guest is made of.
struct GuestMachine {
    /// What the initramfs does once the share is mounted.
    enum Start: String {
        /// Runs the script in the share, unmounts and switches the machine off.
        case script
        /// Makes the share the root file system and hands over to its own init.
        case root
    }

    var kernel = GuestKernel.installed
    var packed = false
    var processors = 2
    /// In MiB.
    var memory = 256
    /// Request queues that QEMU offers.
    var queues = 1
    var start = Start.script
    var mountOptions = ""
    /// Programs and data that go into the initramfs, at its top.
    var files: [String] = []
    /// How long it may run, in seconds: then the guest switches itself off.
    var limit = 240

    func command(kernel: GuestKernel, initramfs: String, socketPath: String) -> [String] {
        [
            "-accel", "tcg,thread=multi", "-cpu", kernel.processor, "-smp", "\(processors)", "-m", "\(memory)",
            "-nodefaults", "-no-reboot", "-display", "none", "-monitor", "none", "-serial", "stdio",
            "-object", "memory-backend-memfd,id=mem,size=\(memory)M,share=on", "-numa", "node,memdev=mem",
            "-chardev", "socket,id=fs,path=\(socketPath)",
            "-device",
            "vhost-user-fs-pci,chardev=fs,tag=myfs,queue-size=128,num-request-queues=\(queues),"
                + "packed=\(packed ? "on" : "off")",
            // On a busy host the kernel's check of the emulated timer fails, and it would panic.
            "-kernel", kernel.image, "-initrd", initramfs,
            "-append", "console=ttyS0 panic=-1 loglevel=4 no_timer_check",
        ]
    }
}
