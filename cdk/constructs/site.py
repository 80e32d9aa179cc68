"""The page and, under the same host name, both APIs: a bucket and the distribution in front of all three."""

from aws_cdk import Annotations, Duration, RemovalPolicy, Stack
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_route53_targets as targets
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_deployment as deployment
from constructs import Construct

from cdk.constructs.acknowledge import acknowledge
from cdk.constructs.grants import grant, grant_key
from cdk.constructs.log_retention import new_log_group
from cdk.constructs.page_files import page_files
from cdk.constructs.private_bucket import PrivateBucket
from cdk.constructs.removal import removal_of
from cdk.settings import StageSettings

WEBSOCKET_PATH = "/live"
"""The stage of the WebSocket API is called so: CloudFront hands a path on as it is."""

_TWO_YEARS = Duration.days(730)


class Site(Construct):
    """One origin for browsers: nothing of it needs CORS, and nobody else's page may call it.

    What the page is told (``config.json``) comes by :meth:`tell`, once its app client is there.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        settings: StageSettings,
        rest_host: str,
        websocket_host: str,
        login_url: str,
        firewall_arn: str,
        certificate: acm.ICertificate | None,
    ) -> None:
        super().__init__(scope, id_)
        self._settings = settings
        removal = removal_of(settings)
        self._key = kms.Key(
            self,
            "Key",
            description="Tickwire page and its access log",
            enable_key_rotation=True,
            removal_policy=removal,
        )
        self._files = PrivateBucket(self, "Files", key=self._key, removal_policy=removal)
        acknowledge(self._files, {"AwsSolutions-S1": "CloudFront alone reads it, and logs who asked"})
        rest = self._api_origin(rest_host)
        # Of the sets of methods the only one with POST in it; API Gateway refuses what is no route.
        read, write = cloudfront.AllowedMethods.ALLOW_GET_HEAD_OPTIONS, cloudfront.AllowedMethods.ALLOW_ALL
        self.distribution = cloudfront.Distribution(
            self,
            "Distribution",
            comment=f"Tickwire {settings.stage}",
            default_root_object="index.html",
            default_behavior=self._files_behavior(login_url),
            additional_behaviors={
                "/v1/*": self._api_behavior(rest, write),
                "/ws-tickets": self._api_behavior(rest, write),
                WEBSOCKET_PATH: self._api_behavior(self._api_origin(websocket_host), read),
            },
            domain_names=None if settings.access.domain is None else [settings.access.domain],
            certificate=certificate,
            # With CloudFront's own certificate its own minimum holds, whatever is written here.
            minimum_protocol_version=None if certificate is None else cloudfront.SecurityPolicyProtocol.TLS_V1_2_2021,
            http_version=cloudfront.HttpVersion.HTTP2_AND_3,
            price_class=cloudfront.PriceClass.PRICE_CLASS_100,
            web_acl_id=firewall_arn,
            enable_logging=True,
            log_bucket=self._new_log_bucket(removal),
            log_includes_cookies=False,
        )
        self._acknowledge()
        self._name()

    @property
    def url(self) -> str:
        """The page's address, without a slash at the end."""
        return f"https://{self._settings.access.domain or self.distribution.distribution_domain_name}"

    def tell(self, config: dict[str, object], *, log_key: kms.IKey) -> None:
        """Deploy the page's files, and ``config.json`` for it to read."""
        log_group = new_log_group(
            self,
            "DeploymentLog",
            settings=self._settings,
            key=log_key,
        )
        deployment.BucketDeployment(
            self,
            "Deployment",
            sources=[page_files(), deployment.Source.json_data("config.json", config)],
            destination_bucket=self._files,
            # Asked for anew each time, and answered with "not modified": a page of yesterday must not look for files
            # that today's deployment has removed.
            cache_control=[deployment.CacheControl.no_cache()],
            distribution=self.distribution,
            log_group=log_group,
            # The CDK would grant it whole families of calls, and every distribution of the account.
            role=self._new_deployment_role(log_group).without_policy_updates(),
            memory_limit=512,
        )
        for child in Stack.of(self).node.children:
            if child.node.id.startswith("Custom::CDKBucketDeployment"):
                acknowledge(child, {"AwsSolutions-L1": "The CDK's own function, with the runtime that it names"})
                function = child.node.default_child
                if isinstance(function, lambda_.CfnFunction):
                    function.tracing_config = lambda_.CfnFunction.TracingConfigProperty(mode="Active")

    def _new_deployment_role(self, log_group: logs.ILogGroup) -> iam.Role:
        """Make the role that copies the files: what ``aws s3 cp``, ``aws s3 sync`` and an invalidation call."""
        stack = Stack.of(self)
        role = iam.Role(
            self,
            "DeploymentRole",
            description="CloudFormation puts the page into its bucket",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        )
        log_group.grant_write(role)
        qualifier = stack.synthesizer.bootstrap_qualifier
        assets = f"arn:{stack.partition}:s3:::cdk-{qualifier}-assets-{stack.account}-{stack.region}"
        grant(role, "s3:GetObject", on=f"{assets}/*")
        grant(role, "s3:ListBucket", on=assets)
        grant(role, "s3:ListBucket", on=self._files.bucket_arn)
        grant(role, "s3:GetObject", "s3:PutObject", "s3:DeleteObject", on=self._files.arn_for_objects("*"))
        grant_key(role, self._key, "Decrypt", "GenerateDataKey")
        distribution = stack.format_arn(
            service="cloudfront",
            region="",
            resource="distribution",
            resource_name=self.distribution.distribution_id,
        )
        grant(role, "cloudfront:CreateInvalidation", "cloudfront:GetInvalidation", on=distribution)
        # Segments have no ARN.
        grant(role, "xray:PutTelemetryRecords", "xray:PutTraceSegments", on="*")
        acknowledge(
            role,
            {
                "AwsSolutions-IAM5[Resource::*]": "X-Ray's segments have no ARN",
                "AwsSolutions-IAM5[Resource::…/*]": "The files of the page, and the assets that they come from",
            },
        )
        return role

    def _files_behavior(self, login_url: str) -> cloudfront.BehaviorOptions:
        origin = origins.S3BucketOrigin.with_origin_access_control(self._files)
        return cloudfront.BehaviorOptions(
            origin=origin,
            viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
            response_headers_policy=self._new_headers(login_url),
            compress=True,
        )

    def _api_origin(self, host: str) -> cloudfront.IOrigin:
        return origins.HttpOrigin(
            host,
            protocol_policy=cloudfront.OriginProtocolPolicy.HTTPS_ONLY,
            origin_ssl_protocols=[cloudfront.OriginSslPolicy.TLS_V1_2],
        )

    def _api_behavior(
        self, origin: cloudfront.IOrigin, methods: cloudfront.AllowedMethods
    ) -> cloudfront.BehaviorOptions:
        return cloudfront.BehaviorOptions(
            origin=origin,
            # A token must not be sent in the clear first, as by a redirect.
            viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.HTTPS_ONLY,
            allowed_methods=methods,
            cache_policy=cloudfront.CachePolicy.CACHING_DISABLED,
            # API Gateway knows its APIs by the host that is asked for.
            origin_request_policy=cloudfront.OriginRequestPolicy.ALL_VIEWER_EXCEPT_HOST_HEADER,
        )

    def _new_headers(self, login_url: str) -> cloudfront.ResponseHeadersPolicy:
        rules = (
            "default-src 'none'",
            "script-src 'self'",
            # The chart's library writes the rules of its logo into the page.
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data:",
            f"connect-src 'self' {login_url}",
            "manifest-src 'self'",
            "worker-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
        return cloudfront.ResponseHeadersPolicy(
            self,
            "Headers",
            comment=f"Tickwire {self._settings.stage}: what a browser may do with the page",
            security_headers_behavior=cloudfront.ResponseSecurityHeadersBehavior(
                content_security_policy=cloudfront.ResponseHeadersContentSecurityPolicy(
                    content_security_policy="; ".join(rules), override=True
                ),
                content_type_options=cloudfront.ResponseHeadersContentTypeOptions(override=True),
                frame_options=cloudfront.ResponseHeadersFrameOptions(
                    frame_option=cloudfront.HeadersFrameOption.DENY, override=True
                ),
                referrer_policy=cloudfront.ResponseHeadersReferrerPolicy(
                    # The login comes back with a code in the address.
                    referrer_policy=cloudfront.HeadersReferrerPolicy.NO_REFERRER,
                    override=True,
                ),
                strict_transport_security=cloudfront.ResponseHeadersStrictTransportSecurity(
                    access_control_max_age=_TWO_YEARS, include_subdomains=True, override=True
                ),
            ),
        )

    def _new_log_bucket(self, removal: RemovalPolicy) -> s3.IBucket:
        # The log is delivered by a service that knows only ACLs, and needs the key ("Standard logging", CloudFront).
        bucket = PrivateBucket(
            self,
            "AccessLog",
            key=self._key,
            removal_policy=removal,
            expire_after=Duration.days(self._settings.log_retention_days),
            ownership=s3.ObjectOwnership.BUCKET_OWNER_PREFERRED,
        )
        acknowledge(bucket, {"AwsSolutions-S1": "It is the access log"})
        self._key.add_to_resource_policy(
            iam.PolicyStatement(
                sid="AccessLogOfCloudFront",
                principals=[iam.ServicePrincipal("delivery.logs.amazonaws.com")],
                actions=["kms:GenerateDataKey*"],
                # In a key's policy "*" means this key.
                resources=["*"],
                conditions={"StringEquals": {"aws:SourceAccount": Stack.of(self).account}},
            )
        )
        return bucket

    def _acknowledge(self) -> None:
        Annotations.of(self).acknowledge_warning(
            "@aws-cdk/aws-cloudfront-origins:wildcardKeyPolicyForOac",
            "The key cannot name the distribution, whose bucket must name the key first; it names this account's.",
        )
        reasons = {
            "AwsSolutions-CFR1": "Traders travel; who may come in is decided by the login",
        }
        if self._settings.access.domain is None:
            reasons["AwsSolutions-CFR4"] = "CloudFront's own certificate sets its own minimum: access.domain mends that"
        acknowledge(self.distribution, reasons)

    def _name(self) -> None:
        access = self._settings.access
        if access.domain is None or access.zone_id is None:
            return
        zone = route53.HostedZone.from_hosted_zone_attributes(
            self, "Zone", hosted_zone_id=access.zone_id, zone_name=access.domain
        )
        target = route53.RecordTarget.from_alias(targets.CloudFrontTarget(self.distribution))
        # With the dot it is taken as it is, whatever the zone is called.
        route53.ARecord(self, "Address", zone=zone, record_name=f"{access.domain}.", target=target)
        route53.AaaaRecord(self, "AddressV6", zone=zone, record_name=f"{access.domain}.", target=target)
