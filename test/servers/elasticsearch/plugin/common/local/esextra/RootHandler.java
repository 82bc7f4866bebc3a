package local.esextra;

import java.util.List;
import org.elasticsearch.Build;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.common.settings.Setting;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.rest.BaseRestHandler;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.RestResponse;
import org.elasticsearch.rest.RestStatus;
import org.elasticsearch.xcontent.XContentBuilder;

/** GET / and HEAD /, which clients ask for their info and ping; the server from Maven Central lacks the module that answers them. */
final class RootHandler extends BaseRestHandler {
    /** Known names without any effect, so that a template with a lifecycle policy is accepted here as it is in a full server. */
    static final List<Setting<?>> INERT_SETTINGS = List.of(
        Setting.simpleString("index.lifecycle.name", "", Setting.Property.Dynamic, Setting.Property.IndexScope),
        Setting.simpleString("index.lifecycle.rollover_alias", "", Setting.Property.Dynamic, Setting.Property.IndexScope)
    );

    private final Settings settings;

    RootHandler(Settings settings) {
        this.settings = settings;
    }

    @Override
    public String getName() {
        return "extra_root";
    }

    @Override
    public List<Route> routes() {
        return List.of(new Route(RestRequest.Method.GET, "/"), new Route(RestRequest.Method.HEAD, "/"));
    }

    @Override
    protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) {
        return channel -> {
            Build build = Build.current();
            XContentBuilder body = channel.newBuilder();
            body.startObject();
            body.field("name", settings.get("node.name", "n1"));
            body.field("cluster_name", settings.get("cluster.name", "elasticsearch"));
            body.field("cluster_uuid", "local");
            body.startObject("version");
            body.field("number", build.version());
            body.field("build_flavor", "default");
            body.field("build_type", "zip");
            body.field("build_hash", build.hash());
            body.field("build_date", build.date());
            body.field("build_snapshot", false);
            body.field("lucene_version", org.apache.lucene.util.Version.LATEST.toString());
            body.field("minimum_wire_compatibility_version", build.minWireCompatVersion());
            body.field("minimum_index_compatibility_version", build.minIndexCompatVersion());
            body.endObject();
            body.field("tagline", "You Know, for Search");
            body.endObject();
            channel.sendResponse(new RestResponse(RestStatus.OK, body));
        };
    }
}
