import java.lang.reflect.Method;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.Map;
import java.util.concurrent.CountDownLatch;

/**
 * Starts an Elasticsearch 9 node inside this JVM from plain Maven Central jars: no distribution, no entitlements, no root check.
 * Everything is called by reflection, for the server's packages are not exported to us.
 *
 * <pre>java --module-path HOME/lib -cp launcher EsLauncher HOME key=value...</pre>
 *
 * HOME has config/ and modules/NAME/ and plugins/NAME/, each with its jars and its plugin-descriptor.properties.
 */
public class EsLauncher {
    public static void main(String[] args) throws Exception {
        Path home = Paths.get(args[0]).toAbsolutePath();
        System.setProperty("es.path.home", home.toString());
        System.setProperty("es.path.conf", home.resolve("config").toString());
        System.setProperty("es.distribution.type", "zip");
        System.setProperty("es.logs.base_path", home.resolve("logs").toString());
        method(type("org.elasticsearch.common.logging.LogConfigurator"), "configureESLogging", 0).invoke(null);

        Class<?> settingsType = type("org.elasticsearch.common.settings.Settings");
        Class<?> environmentType = type("org.elasticsearch.env.Environment");
        Object settings = settings(settingsType, home, args);
        Object environment = environmentType.getConstructor(settingsType, Path.class).newInstance(settings, home.resolve("config"));
        startNativeAccess();

        Class<?> loaderType = type("org.elasticsearch.plugins.PluginsLoader");
        Object modules = bundles(loaderType, "loadModulesBundles", home.resolve("modules"));
        Object plugins = bundles(loaderType, "loadPluginsBundles", home.resolve("plugins"));
        Object loader = method(loaderType, "createPluginsLoader", 3).invoke(null, modules, plugins, Map.of());

        Class<?> nodeType = type("org.elasticsearch.node.Node");
        Object node = nodeType.getConstructor(environmentType, loaderType).newInstance(environment, loader);
        nodeType.getMethod("start").invoke(node);
        waitForStop(nodeType, node);
    }

    private static Object settings(Class<?> settingsType, Path home, String[] args) throws Exception {
        Object builder = method(settingsType, "builder", 0).invoke(null);
        Method put = builder.getClass().getMethod("put", String.class, String.class);
        put.invoke(builder, "path.home", home.toString());
        for (int i = 1; i < args.length; i++) {
            int equals = args[i].indexOf('=');
            put.invoke(builder, args[i].substring(0, equals), args[i].substring(equals + 1));
        }
        return method(builder.getClass(), "build", 0).invoke(builder);
    }

    /** What the server's own main class does first; without it the node runs too, with slower compression. */
    private static void startNativeAccess() {
        try {
            method(type("org.elasticsearch.nativeaccess.NativeAccess"), "instance", 0).invoke(null);
        } catch (Throwable failure) {
            System.err.println("no native access: " + failure.getCause());
        }
    }

    private static Object bundles(Class<?> loaderType, String name, Path folder) throws Exception {
        return loaderType.getMethod(name, Path.class, boolean.class).invoke(null, folder, false);
    }

    /** Closes the node on SIGTERM, so that what it has acknowledged is on disk. */
    private static void waitForStop(Class<?> nodeType, Object node) throws InterruptedException {
        CountDownLatch stopped = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                nodeType.getMethod("prepareForClose").invoke(node);
                nodeType.getMethod("close").invoke(node);
            } catch (Throwable failure) {
                failure.printStackTrace();
            }
            stopped.countDown();
        }));
        stopped.await();
    }

    private static Class<?> type(String name) throws ClassNotFoundException {
        return Class.forName(name);
    }

    private static Method method(Class<?> owner, String name, int parameters) {
        for (Method method : owner.getMethods()) {
            if (method.getName().equals(name) && method.getParameterCount() == parameters) return method;
        }
        for (Method method : owner.getDeclaredMethods()) {
            if (method.getName().equals(name) && method.getParameterCount() == parameters) {
                method.setAccessible(true);
                return method;
            }
        }
        throw new IllegalStateException(owner + "." + name + " with " + parameters + " parameters is not there");
    }
}
