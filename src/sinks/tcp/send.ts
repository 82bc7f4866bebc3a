import type { Socket } from 'node:net'

/**
 * Resolves when the system has taken the text. Rejects when the connection breaks or the signal aborts first: then it is
 * not known how much of the text went out.
 */
export function sendText(socket: Socket, text: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const broken = (): void => finish(new Error('the connection was closed'))
    const abort = (): void => finish(signal.reason as Error)
    const finish = (error?: Error | null): void => {
      socket.off('close', broken)
      signal.removeEventListener('abort', abort)
      if (error === undefined || error === null) resolve()
      else reject(error)
    }
    if (signal.aborted) return abort()
    if (socket.destroyed) return broken()
    socket.once('close', broken)
    signal.addEventListener('abort', abort, { once: true })
    socket.write(text, finish)
  })
}
