-- Packages delivered against cash whose cash had not been received at the cutoff.
SELECT
    CAST(s.[ID_COMPANY] AS nvarchar(20)) AS company_code,
    CAST(s.[PACKAGE_NUMBER] AS nvarchar(30)) AS package_number,
    CAST(r.[G/L_Account_No] AS nvarchar(20)) AS gl_account,
    CAST(ct.[CUSTOMER_TYPE] AS nvarchar(20)) AS customer_type,
    CAST(ct.[CUSTOMER_TYPE_NAME] AS nvarchar(100)) AS customer_type_name,
    CAST(MIN(s.[COD_OMS_SALES_ORDER_NR]) AS nvarchar(30)) AS order_number,
    CAST(MAX(s.[DSC_SHIPMENT_PROVIDER]) AS nvarchar(100)) AS shipment_provider,
    CAST(MAX(s.[DAT_DELIVERED]) AS datetime) AS delivered_at,
    CAST(r.[cash_received_at] AS datetime) AS cash_received_at,
    CAST(DATEDIFF(DAY, MAX(s.[DAT_DELIVERED]), @cutoff) AS int) AS days_outstanding,
    CAST(COUNT(*) AS int) AS item_count,
    CAST(
        SUM(s.[MTR_PAID_PRICE] + s.[MTR_SHIPPING_FEE] - ISNULL(s.[MTR_STORE_CREDIT_USED], 0)) AS decimal(38, 4)
    ) AS outstanding_amount_lcy
FROM [AIG_Nav_Jumia_Reconciliation].[dbo].[RPT_SOI] AS s
INNER JOIN [STG_AIG_NAV_JUMIA_REC].[OMS].[PACKAGE_CASHREC] AS r
    ON r.[company] = s.[ID_COMPANY] AND r.[package_number] = s.[PACKAGE_NUMBER]
INNER JOIN [AIG_Nav_Jumia_Reconciliation].[dbo].[RPT_DIM_BOB_CUSTOMER_TYPE] AS ct
    ON ct.[ID_COMPANY] = s.[ID_COMPANY] AND ct.[CUSTOMER_TYPE] = s.[COD_CUSTOMER_TYPE]
INNER JOIN [AIG_Nav_Jumia_Reconciliation].[fdw].[Dim_Company] AS dc
    ON dc.[Company_Code] = s.[ID_COMPANY]
WHERE s.[IS_PREPAYMENT] = 0
    AND s.[DAT_DELIVERED] < @cutoff
    AND (r.[cash_received_at] IS NULL OR r.[cash_received_at] >= @cutoff)
    AND ct.[G/L_Account_No] IN (@accounts)
    AND dc.[Flg_In_Conso_Scope] = @in_scope
GROUP BY
    s.[ID_COMPANY],
    s.[PACKAGE_NUMBER],
    r.[G/L_Account_No],
    r.[cash_received_at],
    ct.[CUSTOMER_TYPE],
    ct.[CUSTOMER_TYPE_NAME]
HAVING SUM(s.[MTR_PAID_PRICE] + s.[MTR_SHIPPING_FEE] - ISNULL(s.[MTR_STORE_CREDIT_USED], 0)) <> 0
