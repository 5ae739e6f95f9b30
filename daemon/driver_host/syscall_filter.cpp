#include "driver_host/syscall_filter.hpp"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace penumbra::host {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#elif defined(__arm__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_ARM;
#elif defined(__riscv) && __riscv_xlen == 64
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_RISCV64;
#else
constexpr std::uint32_t kArchitecture = 0;  // not known: no filter, and FilterSyscalls says so
#endif

// Always refused with EPERM.
constexpr int kForbidden[] = {
    SYS_execve,
    SYS_execveat,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_setns,
    SYS_unshare,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_kexec_load,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_clock_adjtime,
    SYS_adjtimex,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
    SYS_io_uring_setup,
    SYS_userfaultfd,
    SYS_open_by_handle_at,
    SYS_quotactl,
    SYS_acct,
    SYS_syslog,
    SYS_move_mount,
    SYS_open_tree,
    SYS_fsopen,
    SYS_fsmount,
    SYS_tkill,
    SYS_pidfd_open,
    SYS_pidfd_send_signal,
    SYS_pidfd_getfd,
    SYS_setpriority,
    SYS_setrlimit,
    SYS_seccomp,
#ifdef SYS_fork
    SYS_fork,
    SYS_vfork,
#endif
#ifdef SYS_iopl
    SYS_iopl,
    SYS_ioperm,
#endif
};

// Only for the process itself: the first argument is its pid.
constexpr int kOwnPidOnly[] = {SYS_kill, SYS_tgkill, SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo};

constexpr int kForbiddenFamilies[] = {AF_UNIX, AF_PACKET, AF_VSOCK};

class Program {
 public:
  void Load(std::size_t offset) { Add(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset), 0, 0); }
  void Number() { Load(offsetof(seccomp_data, nr)); }
  // The low half: pids, flags and families are 32 bits, and the kernel looks at no more of them.
  void Argument(std::size_t index) {
    constexpr bool kBig = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
    Load(offsetof(seccomp_data, args) + index * sizeof(std::uint64_t) + (kBig ? sizeof(std::uint32_t) : 0));
  }
  void ReturnIf(std::uint32_t equal, std::uint32_t result) {
    Add(BPF_JMP | BPF_JEQ | BPF_K, equal, 0, 1);
    Return(result);
  }
  void ReturnUnless(std::uint32_t equal, std::uint32_t result) {
    Add(BPF_JMP | BPF_JEQ | BPF_K, equal, 1, 0);
    Return(result);
  }
  void ReturnIfNoBit(std::uint32_t bits, std::uint32_t result) {
    Add(BPF_JMP | BPF_JSET | BPF_K, bits, 1, 0);
    Return(result);
  }
  void Return(std::uint32_t result) { Add(BPF_RET | BPF_K, result, 0, 0); }
  // What follows until End() is for `number` only, with the number in the accumulator before.
  void BeginFor(int number) {
    jump_ = code_.size();
    Add(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(number), 0, 0);
  }
  void End() {
    Number();
    code_[jump_].jf = static_cast<std::uint8_t>(code_.size() - jump_ - 1);
  }
  std::vector<sock_filter>& code() { return code_; }

 private:
  void Add(int code, std::uint32_t k, std::uint8_t yes, std::uint8_t no) {
    code_.push_back({static_cast<std::uint16_t>(code), yes, no, k});
  }
  std::vector<sock_filter> code_;
  std::size_t jump_ = 0;
};

constexpr std::uint32_t Refuse(int error) {
  return SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error);
}

void ForbidProcesses(Program& program, std::uint32_t own_pid) {
  for (const int number : kOwnPidOnly) {
    program.BeginFor(number);
    program.Argument(0);
    program.ReturnUnless(own_pid, Refuse(EPERM));
    program.Return(SECCOMP_RET_ALLOW);
    program.End();
  }
  program.BeginFor(SYS_prlimit64);
  program.Argument(0);
  program.ReturnUnless(0, Refuse(EPERM));
  program.Argument(2);  // a new limit: its pointer's low half is never zero
  program.ReturnUnless(0, Refuse(EPERM));
  program.End();
  // Threads, and nothing but threads.
  program.BeginFor(SYS_clone);
  program.Argument(0);
  program.ReturnIfNoBit(CLONE_THREAD, Refuse(EPERM));
  program.Return(SECCOMP_RET_ALLOW);
  program.End();
  // Its flags are in memory, where a filter cannot look; the C library then uses clone.
  program.ReturnIf(SYS_clone3, Refuse(ENOSYS));
}

void ForbidSockets(Program& program, bool network) {
  if (!network) return program.ReturnIf(SYS_socket, Refuse(EACCES));
  program.BeginFor(SYS_socket);
  program.Argument(0);
  for (const int family : kForbiddenFamilies) program.ReturnIf(static_cast<std::uint32_t>(family), Refuse(EACCES));
  program.End();
}

Program MakeProgram(bool network) {
  Program program;
  program.Load(offsetof(seccomp_data, arch));
  program.ReturnUnless(kArchitecture, SECCOMP_RET_KILL_PROCESS);
  program.Number();
#ifdef __x86_64__
  // The x32 numbers, another way to the same calls.
  program.code().push_back({BPF_JMP | BPF_JGE | BPF_K, 0, 1, 0x40000000U});
  program.Return(SECCOMP_RET_KILL_PROCESS);
#endif
  for (const int number : kForbidden) program.ReturnIf(static_cast<std::uint32_t>(number), Refuse(EPERM));
  ForbidProcesses(program, static_cast<std::uint32_t>(::getpid()));
  ForbidSockets(program, network);
  program.Return(SECCOMP_RET_ALLOW);
  return program;
}

}  // namespace

std::string FilterSyscalls(bool network) {
  if (kArchitecture == 0) return "this processor is not known to the filter of kernel calls";
  Program program = MakeProgram(network);
  const sock_fprog prog{static_cast<unsigned short>(program.code().size()), program.code().data()};
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == 0) return {};
  return std::string("no filter of kernel calls: ") + std::strerror(errno);
}

}  // namespace penumbra::host
