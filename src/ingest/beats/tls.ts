import { messageOf } from '../../core/errors.ts'

/** What a failed handshake means, and what to do. */
export function describeHandshakeFailure(error: Error): string {
  const code = 'code' in error ? String(error.code) : ''
  if (code === 'ERR_SSL_HTTP_REQUEST') return 'looks like HTTP: a health check on this port?'
  if (/WRONG_VERSION_NUMBER|UNKNOWN_PROTOCOL|PACKET_LENGTH/.test(code)) {
    return "the client does not speak TLS: is ssl enabled on this side only? Set ssl.enabled in Filebeat's output.logstash"
  }
  if (/PEER_DID_NOT_RETURN_A_CERTIFICATE/.test(code)) {
    return 'the client sent no certificate, but ssl_client_authentication requires one: set ssl.certificate and ssl.key in Filebeat'
  }
  if (/UNKNOWN_CA|CERTIFICATE_UNKNOWN|BAD_CERTIFICATE/.test(code)) {
    return `${code}: the client does not trust our certificate: set ssl.certificate_authorities in Filebeat`
  }
  if (code === 'ERR_TLS_HANDSHAKE_TIMEOUT') return 'the handshake took longer than ssl_handshake_timeout'
  return messageOf(error)
}
