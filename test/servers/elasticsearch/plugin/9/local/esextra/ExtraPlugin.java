package local.esextra;

import java.util.Collection;
import java.util.List;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.elasticsearch.cluster.node.DiscoveryNodes;
import org.elasticsearch.common.settings.Setting;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.features.NodeFeature;
import org.elasticsearch.plugins.ActionPlugin;
import org.elasticsearch.plugins.Plugin;
import org.elasticsearch.rest.RestHandler;

/** What the server from Maven Central lacks and clients ask for, in the plugin interface of Elasticsearch 9. */
public class ExtraPlugin extends Plugin implements ActionPlugin {
    private final Settings settings;

    public ExtraPlugin(Settings settings) {
        this.settings = settings;
    }

    @Override
    public List<Setting<?>> getSettings() {
        return RootHandler.INERT_SETTINGS;
    }

    @Override
    public Collection<RestHandler> getRestHandlers(
        ActionPlugin.RestHandlersServices services,
        Supplier<DiscoveryNodes> nodes,
        Predicate<NodeFeature> features
    ) {
        return List.of(new RootHandler(settings));
    }
}
