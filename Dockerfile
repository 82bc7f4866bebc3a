# Millrace with its run-time dependencies only: no tests, no Java, no build step. docker-compose.yml shows it at work.
FROM node:24-slim

WORKDIR /opt/millrace
COPY package.json package-lock.json .npmrc ./
# The lock file brings a Node 24 for machines that have an older one; this image is one already.
RUN npm ci --omit=dev && npm cache clean --force && rm -rf node_modules/node-linux-* node_modules/.bin/node
COPY bin bin
COPY config config
COPY src src
COPY LICENSE NOTICE ./

# The image's own unprivileged user owns nothing but the buffer, the dead letters and the positions.
RUN mkdir -p /var/lib/millrace && chown node:node /var/lib/millrace
USER node
VOLUME /var/lib/millrace

# Inside a container 127.0.0.1 reaches nobody else: who may come in is decided by the ports that are published.
ENV NODE_ENV=production MILLRACE_DATA=/var/lib/millrace MILLRACE_API_HOST=0.0.0.0 BEATS_HOST=0.0.0.0
EXPOSE 5044 9600

HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:9600/livez').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]

# bin/millrace execs node, so that the stop signal reaches the program, which then drains.
ENTRYPOINT ["bin/millrace"]
CMD ["-f", "config/pipeline.json"]
