// libp2p 3 uses Promise.withResolvers, which Node.js has from version 22 on. Import this before it.

Promise.withResolvers ??= function () {
  let resolve, reject
  const promise = new this((onResolve, onReject) => { [resolve, reject] = [onResolve, onReject] })
  return { promise, resolve, reject }
}
