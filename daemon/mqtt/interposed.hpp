// Calls of Paho's that we stand in for, because its API offers no other way (Paho C 1.3.12, Socket.c, SSLSocket.c,
// MQTTAsyncUtils.c and MQTTPacketOut.c). They are defined in the executable and so come before those of the libraries;
// they do nothing but ask the real function, except as said here.
//
//  getaddrinfo     for a leased host: the real function with the leased numeric address in the name's place, which
//                  answers at once. Paho wants the *name* in its URI, for SNI and for checking the certificate, and
//                  calls getaddrinfo under a mutex that all its clients share.
//  X509_check_host notes on the calling thread which host a certificate did not fit. Paho reports that failure in the
//                  same words as a refused TCP connection.
//  MQTTProperties_free  leaves alone what was never set up. A server that speaks only 3.1.1 answers a CONNECT of MQTT 5
//                  with a CONNACK without properties; Paho then frees whatever its malloc found there.
//  SSL_write, SSL_get_error  a write that failed for good is told as one that could not be finished yet, and the
//                  socket is shut down, so that Paho finds the end where it handles it: at its next read. When a
//                  PUBLISH of QoS 1 fails at once, MQTTAsync_processCommand frees topic and payload, which the list of
//                  publications still owns and frees again when the session closes: by then they may be another
//                  message's. That killed a gateway of a hundred things whose connections were all reset.
//  SSL_read, SSL_write  note which connection a thread has read from, and leave out the PUBACKs that are withheld: Paho
//  sends one for whatever it has handed over (MQTTProtocolClient.c), and its API has no way to say no.
//  SSL_CTX_use_PrivateKey_file  fetches the key from its token where the "file" is a pkcs11: URI; Paho only knows
//  files.
//
// Any thread.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

struct addrinfo;

namespace penumbra::mqtt {

// While it lives, getaddrinfo(host) answers `address`. The newest lease of a host counts.
class NameLease {
 public:
  NameLease(std::string host, std::string address);
  ~NameLease();
  NameLease(const NameLease&) = delete;
  NameLease& operator=(const NameLease&) = delete;

 private:
  std::string host_;
  std::string address_;
};

// PUBACKs of one connection that are not to be sent. While it lives.
class WithheldPubacks {
 public:
  WithheldPubacks() = default;
  ~WithheldPubacks();
  WithheldPubacks(const WithheldPubacks&) = delete;
  WithheldPubacks& operator=(const WithheldPubacks&) = delete;
  // The next PUBACK of this packet id. On the thread that has just read the message; answers how often it was called.
  std::size_t Add(int packet_id);

 private:
  const void* connection_ = nullptr;
  std::size_t count_ = 0;
};

// libc's own getaddrinfo, whatever is leased.
int RealGetaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** result);

// Whether X509_check_host has failed on this thread since the last call.
bool TakeHostMismatch();

}  // namespace penumbra::mqtt
